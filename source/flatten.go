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
	"github.com/go-dmap/dmap/internal/body"
)

// Flatten yields the contents of objects instead of the objects, like LOAD_AND_FLATTEN of Step
// Functions. open returns a source for one object, mostly by CSVOf or JSONLinesOf; it does no I/O,
// and is called on the goroutines that read.
//
// Each object is a split, known as soon as it is listed. The listing uses all the listers of
// Objects, up to 100,000 objects before the ones that are read. An object that cannot be read to
// its end breaks off (dmap.BrokenObjectError): its rest stays unread, and the run continues. One
// that is gone, or for which open panics or returns nil, costs one failed item. from may be any
// source of objects that came from Objects, or that Object.In has bound: all to one bucket, unless
// its Plan has Origins.
func Flatten[T any](from dmap.Source[Object], open func(Object) dmap.Source[T]) dmap.Source[T] {
	out := &planned[T]{name: "contents of " + nameOf(from)}
	plans, err := plansOf(from)
	if open == nil {
		err = errors.Join(err, errors.New("open is nil"))
	}
	if err != nil {
		out.plan = brokenPlan[T](invalid(out, err))
		return out
	}
	f := &flatten[T]{name: out.name, objects: from, listing: plans[0], open: open, lists: listsOf(from)}
	f.buckets = newBuckets(from, plans[0].Origins)
	out.plan = dmap.Plan[T]{Splits: f.splits, Read: f.read}
	return out
}

type flatten[T any] struct {
	name    string
	objects dmap.Source[Object]
	listing dmap.Plan[Object] // of objects
	open    func(Object) dmap.Source[T]
	buckets *buckets
	lists   func(key string) bool // whether objects may have this key; nil: any
}

func (f *flatten[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		var below leaves
		for item, err := range f.list(ctx, below.watched(f.listing)) {
			var s dmap.Split
			if err == nil {
				s, err = f.split(item)
			}
			for _, leaf := range below.splits(false) {
				if !yield(leaf, nil) {
					return
				}
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
		for _, leaf := range below.splits(true) {
			if !yield(leaf, nil) {
				return
			}
		}
	}
}

// list yields the objects in source order. A source that cannot be divided is listed page by page.
func (f *flatten[T]) list(ctx context.Context, listing dmap.Plan[Object]) iter.Seq2[dmap.Item[Object], error] {
	if listing.TrySplit == nil || listing.Readers == 1 {
		return inOrder(ctx, listing)
	}
	return readAhead(ctx, listing, maxAhead)
}

// What the Version of a split starts with. It carries what the listing said, so that reading it
// asks for nothing again.
const (
	listedVersion  = "listed:"  // size:nanoseconds:MD5:ETag
	skippedVersion = "skipped:" // nothing: the object was left out
	goneVersion    = "gone:"    // the text of the item's error: the object does not exist
	failedVersion  = "failed:"  // the text of the item's error
)

// maxErrorText is how much of the text of an error a split carries.
const maxErrorText = 1 << 10

// split describes the object of an item as plain data.
func (f *flatten[T]) split(item dmap.Item[Object]) (dmap.Split, error) {
	o := item.Value
	if item.Err == nil && o.from == nil {
		item.Err = o.noBucket()
	}
	place, err := f.buckets.place(o)
	if err != nil {
		return dmap.Split{}, invalidNamed(f.name, err)
	}
	key := o.Key
	if key == "" { // the item could not be read
		key = item.ID()
	}
	s := dmap.Split{ID: place + key, Object: key}
	switch {
	case errors.Is(item.Err, dmap.ErrSkip):
		s.Version = skippedVersion
	case item.Err != nil:
		text, kind := item.Err.Error(), failedVersion
		if gone := new(body.Gone); errors.As(item.Err, &gone) {
			kind = goneVersion
		}
		s.Version = kind + strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
	default:
		s.Version = fmt.Sprintf("%s%d:%d:%s:%s", listedVersion, o.Size, nanoseconds(o.ModTime), o.MD5, o.ETag)
	}
	return s, nil
}

// nanoseconds since 1970; 0 for a time that is not known.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// object restores what split described. itemErr is the error of the item, err that of the source:
// a stored split may belong to another source.
func (f *flatten[T]) object(ctx context.Context, s dmap.Split) (o Object, itemErr, err error) {
	o.Key = f.buckets.key(s.ID)
	if s.Object != "" && s.Object != o.Key { // a redrive knows only the ID
		return o, nil, unknownSplit(s)
	}
	if strings.HasPrefix(s.Version, skippedVersion) {
		return o, dmap.ErrSkip, nil
	}
	if text, ok := strings.CutPrefix(s.Version, goneVersion); ok {
		return o, body.NewGone(errors.New(text)), nil
	}
	if text, ok := strings.CutPrefix(s.Version, failedVersion); ok {
		return o, errors.New(text), nil
	}
	text, ok := strings.CutPrefix(s.Version, listedVersion)
	fields := strings.SplitN(text, ":", 4)
	if !ok || len(fields) != 4 || f.lists != nil && !f.lists(o.Key) {
		return o, nil, unknownSplit(s)
	}
	size, errSize := strconv.ParseInt(fields[0], 10, 64)
	mod, errMod := strconv.ParseInt(fields[1], 10, 64)
	if errSize != nil || errMod != nil {
		return o, nil, unknownSplit(s)
	}
	o.Size, o.MD5, o.ETag = size, fields[2], fields[3]
	if mod != 0 {
		o.ModTime = time.Unix(0, mod).UTC()
	}
	o.from, err = f.buckets.of(ctx, s)
	return o, nil, err
}

// allRead is the offset of the cursor after the item that stands for the rest of an object.
const allRead = math.MaxInt64

func (f *flatten[T]) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	if items, ok := readLeaf[T](s); ok {
		return items
	}
	return func(yield func(dmap.Item[T], error) bool) {
		if s.From.Offset == allRead {
			return
		}
		object, itemErr, err := f.object(ctx, s)
		if err != nil {
			yield(dmap.Item[T]{}, invalidNamed(f.name, err))
			return
		}
		c := contents[T]{object: object, from: s.From.Offset, to: s.To.Offset, yield: yield}
		if itemErr == nil {
			itemErr = c.read(ctx, f.open)
			if c.breaksOff(itemErr) {
				itemErr = c.broken(itemErr)
			}
		}
		switch {
		case c.stopped || itemErr == nil:
		case ctx.Err() != nil: // interrupted: the object is not at fault
			yield(dmap.Item[T]{}, context.Cause(ctx))
		default:
			yield(c.rest(itemErr), nil)
		}
	}
}

// contents is one object that is being read.
type contents[T any] struct {
	object  Object
	from    int64 // the cursor: the offset of the next item
	to      int64 // where the reading may end; 0: at the end of the object
	index   int64 // of the next item
	yield   func(dmap.Item[T], error) bool
	opened  bool // the reading has begun
	stopped bool // by the consumer
}

// read yields the items of the object, and returns the reason why the rest cannot be read. Wrong
// options are not the object's fault: they end the source.
func (c *contents[T]) read(ctx context.Context, open func(Object) dmap.Source[T]) error {
	var src dmap.Source[T]
	var plan dmap.Plan[T]
	if err := guard(func() error {
		if src = open(c.object); src != nil {
			plan = dmap.PlanOf(src)
		}
		return nil
	}); err != nil {
		return err
	}
	if src == nil {
		return fmt.Errorf("object %q: open returned no source", c.object.Key)
	}
	if plan.Err != nil {
		c.stopped = true
		c.yield(dmap.Item[T]{}, plan.Err)
		return nil
	}
	c.opened = true
	for item, err := range c.items(ctx, src, plan) {
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

// items reads src from the cursor on: at an offset if src is one split, else after a number of
// items.
func (c *contents[T]) items(ctx context.Context, src dmap.Source[T], plan dmap.Plan[T]) iter.Seq2[dmap.Item[T], error] {
	s := plan.Whole
	if s == (dmap.Split{}) {
		return counted(src.Items(ctx), c.from)
	}
	if c.from > 0 {
		s.From = dmap.Cursor{Offset: c.from}
	}
	s.To = dmap.Cursor{Offset: c.to}
	return plan.Read(ctx, s)
}

// counted drops the first from items of a source, and makes cursors that count.
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

// rest stands for everything that could not be read.
func (c *contents[T]) rest(err error) dmap.Item[T] {
	item := dmap.Item[T]{
		Key: c.object.Key, Offset: dmap.WholeObject, Index: c.index,
		Next: dmap.Cursor{Key: c.object.Key, Offset: allRead}, Err: err,
	}
	if c.from > 0 {
		item.Offset = c.from
	}
	return item
}

// breaksOff reports whether err is that of a reading, and not of an object that is gone.
func (c *contents[T]) breaksOff(err error) bool {
	var gone *body.Gone
	return err != nil && c.opened && (c.from > 0 || !errors.As(err, &gone))
}

// broken says that the object breaks off with err.
func (c *contents[T]) broken(err error) error {
	out := &dmap.BrokenObjectError{Key: c.object.Key, Offset: c.from, Err: err}
	var inner *dmap.BrokenObjectError
	if errors.As(err, &inner) {
		out.Hash, out.Err = inner.Hash, inner.Err
	}
	return out
}
