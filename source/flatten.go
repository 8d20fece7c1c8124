package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Flatten yields what is in the objects instead of the objects: LOAD_AND_FLATTEN of Step Functions. open makes a source
// of one object, mostly by CSVOf or JSONLinesOf; it does no I/O, and is called on the goroutines that read.
//
// Each object is a split, known as soon as it is listed. One that cannot be opened, or not be read to its end, costs one
// failed item that names the object and where its rest begins; the run goes on. Objects must come from Objects, through
// Filter and Concat at most.
func Flatten[T any](from dmap.Source[Object], open func(Object) dmap.Splitter[T]) dmap.Splitter[T] {
	f := &flatten[T]{objects: from, open: open, from: originsOf(from)}
	err := checkParts(from)
	if open == nil {
		err = errors.Join(err, errors.New("open is nil"))
	}
	if err == nil && len(f.from) == 0 {
		err = fmt.Errorf("%s: only the objects that Objects lists can be opened, directly or through Filter and Concat", name(from))
	}
	f.invalid = invalid(f, err)
	return f
}

type flatten[T any] struct {
	objects dmap.Source[Object]
	open    func(Object) dmap.Splitter[T]
	from    []*origin // the listings; a split names its by position
	invalid error
}

// originsOf returns the listings that a source of objects reads, in order; none if that is not known.
func originsOf(src any) []*origin {
	if known, ok := src.(interface{ origins() []*origin }); ok {
		return known.origins()
	}
	return nil
}

// Validate returns all that is wrong with the arguments, joined.
func (f *flatten[T]) Validate() error { return f.invalid }

func (f *flatten[T]) String() string { return "contents of " + name(f.objects) }

func (f *flatten[T]) Splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		if f.invalid != nil {
			yield(dmap.Split{}, f.invalid)
			return
		}
		for item, err := range f.objects.Items(ctx) {
			if err != nil {
				yield(dmap.Split{}, err)
				return
			}
			if !yield(f.split(item), nil) {
				return
			}
		}
	}
}

func (f *flatten[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, f)
}

// What the Version of a split starts with. It carries what the listing said, so that reading it asks for nothing again.
const (
	listedVersion  = "listed:"  // size:nanoseconds:MD5:ETag
	skippedVersion = "skipped:" // nothing: the object was left out
	failedVersion  = "failed:"  // the text of the item's error
)

// maxErrorText is how much of the text of an error a split carries.
const maxErrorText = 1 << 10

// split describes the object of an item as plain data.
func (f *flatten[T]) split(item dmap.Item[Object]) dmap.Split {
	o := item.Value
	s := dmap.Split{ID: f.position(o) + o.Key, Object: o.Key}
	switch {
	case errors.Is(item.Err, dmap.ErrSkip):
		s.Version = skippedVersion
	case item.Err != nil:
		text := item.Err.Error()
		s.Version = failedVersion + strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
	default:
		s.Version = fmt.Sprintf("%s%d:%d:%s:%s", listedVersion, o.Size, nanoseconds(o.ModTime), o.MD5, o.ETag)
	}
	return s
}

// position tells listings apart where there is more than one.
func (f *flatten[T]) position(o Object) string {
	if len(f.from) > 1 {
		for i, origin := range f.from {
			if origin == o.from {
				return prefix(i)
			}
		}
	}
	return ""
}

// nanoseconds since 1970; 0 for a time that is not known.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// object restores what split described. The error is the item's, not the source's.
func (f *flatten[T]) object(s dmap.Split) (o Object, itemErr, err error) {
	o = Object{Key: s.Object, from: f.from[0]}
	if len(f.from) > 1 {
		position, _, _ := strings.Cut(s.ID, "/")
		i, err := strconv.Atoi(position)
		if err != nil || i < 0 || i >= len(f.from) {
			return o, nil, unknownSplit(s)
		}
		o.from = f.from[i]
	}
	if strings.HasPrefix(s.Version, skippedVersion) {
		return o, dmap.ErrSkip, nil
	}
	if text, ok := strings.CutPrefix(s.Version, failedVersion); ok {
		return o, errors.New(text), nil
	}
	text, ok := strings.CutPrefix(s.Version, listedVersion)
	parts := strings.SplitN(text, ":", 4)
	if !ok || len(parts) != 4 {
		return o, nil, unknownSplit(s)
	}
	size, errSize := strconv.ParseInt(parts[0], 10, 64)
	mod, errMod := strconv.ParseInt(parts[1], 10, 64)
	if errSize != nil || errMod != nil {
		return o, nil, unknownSplit(s)
	}
	o.Size, o.MD5, o.ETag = size, parts[2], parts[3]
	if mod != 0 {
		o.ModTime = time.Unix(0, mod).UTC()
	}
	return o, nil, nil
}

// allRead is the offset of the cursor behind the item that stands for the rest of an object.
const allRead = math.MaxInt64

func (f *flatten[T]) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	if f.invalid != nil {
		return broken[dmap.Item[T]](f.invalid)
	}
	object, itemErr, err := f.object(s)
	if err != nil {
		return broken[dmap.Item[T]](invalid(f, err))
	}
	return func(yield func(dmap.Item[T], error) bool) {
		if s.From.Offset == allRead {
			return
		}
		c := contents[T]{object: object, from: s.From.Offset, yield: yield}
		if itemErr == nil {
			itemErr = c.read(ctx, f.open)
		}
		switch {
		case c.stopped || itemErr == nil:
		case ctx.Err() != nil: // interrupted, which is no fault of the object
			yield(dmap.Item[T]{}, context.Cause(ctx))
		default:
			yield(c.rest(itemErr), nil)
		}
	}
}

// contents is one object that is being read.
type contents[T any] struct {
	object  Object
	from    int64 // the cursor: where the rest begins
	unit    string
	index   int64 // of the next item
	yield   func(dmap.Item[T], error) bool
	stopped bool // by the consumer
}

// read yields what is in the object, and returns what keeps the rest from being read. Wrong options are no fault of the
// object: they end the source.
func (c *contents[T]) read(ctx context.Context, open func(Object) dmap.Splitter[T]) error {
	var src dmap.Splitter[T]
	if err := guard(func() error { src = open(c.object); return nil }); err != nil {
		return err
	}
	if src == nil {
		return fmt.Errorf("object %q: open returned no source", c.object.Key)
	}
	if err := checkParts[T](src); err != nil {
		c.stopped = true
		c.yield(dmap.Item[T]{}, err)
		return nil
	}
	for item, err := range c.items(ctx, src) {
		if err != nil {
			return err
		}
		if !c.yield(c.item(item), nil) {
			c.stopped = true
			return nil
		}
	}
	return nil
}

// items reads src from the cursor on: an offset where it is known to be one, else the number of items.
func (c *contents[T]) items(ctx context.Context, src dmap.Splitter[T]) iter.Seq2[dmap.Item[T], error] {
	if _, ok := src.(interface{ oneObject() }); ok {
		c.unit = "byte"
		return src.Read(ctx, dmap.Split{Object: c.object.Key, From: dmap.Cursor{Offset: c.from}})
	}
	c.unit = "item"
	return counted(src.Items(ctx), c.from)
}

// counted passes over the first from items of a source of unknown kind, and makes cursors that count.
func counted[T any](items iter.Seq2[dmap.Item[T], error], from int64) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		var n int64
		for item, err := range items {
			n++
			item.Next = dmap.Cursor{Offset: n}
			if err == nil && n <= from {
				continue
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// item makes an inner item one of the whole source.
func (c *contents[T]) item(item dmap.Item[T]) dmap.Item[T] {
	if item.Key != c.object.Key {
		item.Key = c.object.Key + "#" + item.Key
	}
	item.Index = c.index
	c.index++
	c.from = item.Next.Offset
	item.Next = dmap.Cursor{Key: c.object.Key, Offset: c.from}
	return item
}

// rest stands for all that could not be read.
func (c *contents[T]) rest(err error) dmap.Item[T] {
	item := dmap.Item[T]{
		Key: c.object.Key, Offset: dmap.WholeObject, Index: c.index,
		Next: dmap.Cursor{Key: c.object.Key, Offset: allRead}, Err: err,
	}
	if c.from > 0 {
		item.Offset = c.from
		item.Err = fmt.Errorf("object %q could not be read beyond %s %d: %w", c.object.Key, c.unit, c.from, err)
	}
	return item
}
