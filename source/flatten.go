package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/probe"
)

// Flatten yields the contents of objects instead of the objects, like LOAD_AND_FLATTEN of Step
// Functions. open returns a source for one object, mostly by CSVOf or JSONLinesOf; it does no I/O,
// and is called on the goroutines that read.
//
// The objects of a listing are pieces of one split, so that the state of a run grows with the
// objects that are partly read, not with all. Each is known as soon as it is listed. The listing
// uses all the listers of Objects, up to 100,000 objects before the ones that are read. An object
// that cannot be read to its end breaks off (dmap.BrokenObjectError): its rest stays unread, and
// the run continues. One that is gone, or for which open panics or returns nil, costs one failed
// item. from may be any source of objects that came from Objects, or that Object.In has bound: all
// to one bucket, unless its Plan has Origins. A resumed run reads an object of which nothing was
// settled as it is now.
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
	out.plan = dmap.Plan[T]{Splits: f.splits, Read: f.read, Resume: f.resume, Preflight: f.preflight, Sharing: f.sharing, Rest: f.rest, Layout: f.layout}
	return out
}

type flatten[T any] struct {
	name    string
	objects dmap.Source[Object]
	listing dmap.Plan[Object] // of objects
	open    func(Object) dmap.Source[T]
	buckets *buckets
	lists   keyLister // nil: objects may have any key
}

func (f *flatten[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return f.pieces(ctx, f.listing, nil)
}

// resume lists each split of the objects from the first object on that is not settled.
func (f *flatten[T]) resume(ctx context.Context, settled func(id string) (dmap.Cursor, bool)) iter.Seq2[dmap.Split, error] {
	listing := f.listing
	listing.Splits = func(ctx context.Context) iter.Seq2[dmap.Split, error] {
		return func(yield func(dmap.Split, error) bool) {
			for s, err := range f.listing.Splits(ctx) {
				if err == nil {
					s.From = f.firstUnsettled(s, settled)
				}
				if !yield(s, err) || err != nil {
					return
				}
			}
		}
	}
	return f.pieces(ctx, listing, settled)
}

// firstUnsettled is the cursor from which a split of the objects must be listed. The objects of
// several buckets are settled apart: then it is that of the split.
func (f *flatten[T]) firstUnsettled(s dmap.Split, settled func(id string) (dmap.Cursor, bool)) dmap.Cursor {
	if len(f.buckets.origins) > 1 {
		return s.From
	}
	if _, ok := settled(leafPrefix + s.ID); !ok {
		return s.From // the listing must find an object
	}
	end, ok := settled(s.ID)
	if !ok || end.Offset != afterObject {
		return s.From
	}
	if at, ok := listingCursor(end.Key); ok {
		return at
	}
	return s.From
}

// pieces yields the objects as pieces of the splits of their listing, in source order. A source
// that cannot be divided is listed page by page. A run that resumes, for which settled is not nil,
// also gets the tail of each split that has or had an object.
func (f *flatten[T]) pieces(
	ctx context.Context, listing dmap.Plan[Object], settled func(id string) (dmap.Cursor, bool),
) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		var below leaves
		listing = below.watched(listing)
		ends := map[string]dmap.Cursor{} // the end of the last object, by the ID of its split
		list := inSplits(ctx, listing)
		if listing.TrySplit != nil && listing.Readers != 1 {
			list = readAhead(ctx, listing, maxAhead)
		}
		for item, err := range list {
			var s dmap.Split
			if err == nil {
				s, err = f.piece(item, ends)
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
		rest := below.splits(true)
		if settled != nil {
			rest = append(rest, f.tails(below.withObjects(settled), ends)...)
		}
		for _, s := range rest {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// What the Version of a split starts with. It carries what the listing said, so that reading it
// asks for nothing again.
const (
	listedVersion  = "listed:"  // size:nanoseconds:MD5:ETag
	placeVersion   = "place:"   // length:place, and then the others
	keyVersion     = "key:"     // length:key: the place is not the key
	skippedVersion = "skipped:" // nothing: the object was left out
	goneVersion    = "gone:"    // the text of the item's error: the object does not exist
	failedVersion  = "failed:"  // the text of the item's error
)

// maxErrorText is how much of the text of an error a split carries.
const maxErrorText = 1 << 10

// piece describes the object of an item as plain data: the part of the split of its listing from
// the object before it up to its end.
func (f *flatten[T]) piece(item splitItem[Object], ends map[string]dmap.Cursor) (dmap.Split, error) {
	o := item.Value
	if item.Err == nil && o.from == nil {
		item.Err = o.noBucket()
	}
	bucket, err := f.buckets.place(o)
	if err != nil {
		return dmap.Split{}, invalidNamed(f.name, err)
	}
	key := o.Key
	if key == "" { // the item could not be read
		key = item.ID()
	}
	s := dmap.Split{ID: bucket + item.split, Object: key}
	place := placeOf(item.Next)
	switch {
	case guarded.Is(item.Err, dmap.ErrSkip):
		s.Version = skippedVersion
	case item.Err != nil:
		kind := failedVersion
		if _, gone := guarded.As[*body.Gone](item.Err); gone {
			kind = goneVersion
		}
		s.Version = kind + guarded.Text(item.Err, maxErrorText)
	default:
		s.Version = listedAs(o)
	}
	s.Version = identified(place, key, s.Version)
	s.From, s.To = ends[s.ID], dmap.Cursor{Key: place, Offset: afterObject}
	ends[s.ID] = s.To
	return s, nil
}

// listedAs is what a Version says about an object.
func listedAs(o Object) string {
	return fmt.Sprintf("%s%d:%d:%s:%s", listedVersion, o.Size, nanoseconds(o.ModTime), o.MD5, o.ETag)
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
	_, key, version := identify(s)
	if o.Key = key; s.Object != "" && s.Object != key { // a redrive knows no Object
		return o, nil, unknownSplit(s)
	}
	if strings.HasPrefix(version, skippedVersion) {
		return o, dmap.ErrSkip, nil
	}
	if text, ok := strings.CutPrefix(version, goneVersion); ok {
		return o, body.NewGone(errors.New(text)), nil
	}
	if text, ok := strings.CutPrefix(version, failedVersion); ok {
		return o, errors.New(text), nil
	}
	text, ok := strings.CutPrefix(version, listedVersion)
	fields := strings.SplitN(text, ":", 4)
	if !ok || len(fields) != 4 {
		return o, nil, unknownSplit(s)
	}
	if f.lists != nil {
		if listed, err := f.lists(ctx, o.Key); err != nil || !listed {
			return o, nil, cmp.Or(err, unknownSplit(s))
		}
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

func (f *flatten[T]) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	if items, ok := readLeaf[T](s); ok {
		return items
	}
	return func(yield func(dmap.Item[T], error) bool) {
		place, _, _ := identify(s)
		if !unlisted(s, place, yield) || !reaches(s, place) {
			return
		}
		object, itemErr, err := f.object(ctx, s)
		if err != nil {
			yield(dmap.Item[T]{}, invalidNamed(f.name, err))
			return
		}
		c := contents[T]{object: object, place: place, yield: yield}
		if s.From.Key == place {
			c.from = s.From.Offset
		}
		if s.To.Key == place && (s.To.Offset != afterObject || s.Object == "") {
			c.to = s.To.Offset // a redrive, which knows only the ID, never reads another version
		}
		c.partly = s.Object != "" && c.to > 0
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
	place   string
	from    int64 // the cursor inside the object: the offset of the next item
	to      int64 // where the reading may end; 0: at the end of the object
	index   int64 // of the next item
	yield   func(dmap.Item[T], error) bool
	partly  bool // an earlier process has settled the end of the object
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
		return counted(ctx, src.Items(ctx), c.from)
	}
	if c.from > 0 {
		s.From = dmap.Cursor{Offset: c.from}
	}
	s.To = dmap.Cursor{Offset: c.to}
	return plan.Read(ctx, s)
}

// counted drops the first from items of a source, and makes cursors that count.
func counted[T any](ctx context.Context, items iter.Seq2[dmap.Item[T], error], from int64) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		var n int64
		for item, err := range items {
			n++
			item.Next = dmap.Cursor{Offset: n}
			if err == nil && n <= from {
				if ctx.Err() == nil {
					continue
				}
				err = context.Cause(ctx) // a source of a user may not know ctx
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
	item.Next = dmap.Cursor{Key: c.place, Offset: c.from}
	return item
}

// rest stands for everything that could not be read.
func (c *contents[T]) rest(err error) dmap.Item[T] {
	item := dmap.Item[T]{
		Key: c.object.Key, Offset: dmap.WholeObject, Index: c.index,
		Next: dmap.Cursor{Key: c.place, Offset: afterObject}, Err: err,
	}
	if c.from > 0 {
		item.Offset = c.from
	}
	return item
}

// breaksOff reports whether err is that of a reading, and not of an object that is gone. An object
// of which a part is settled always breaks off.
func (c *contents[T]) breaksOff(err error) bool {
	_, gone := guarded.As[*body.Gone](err)
	return err != nil && (c.from > 0 || c.partly || c.opened && !gone)
}

// broken says that the object breaks off with err.
func (c *contents[T]) broken(err error) error {
	out := &dmap.BrokenObjectError{Key: c.object.Key, Offset: c.from, Err: err}
	if inner, ok := guarded.As[*dmap.BrokenObjectError](err); ok {
		out.Hash, out.Err = inner.Hash, inner.Err
	}
	return out
}

// preflight tries the source of the objects, and the contents of the first of them.
func (f *flatten[T]) preflight(ctx context.Context, report func(dmap.Check)) {
	var failed atomic.Bool
	f.listing.Try(ctx, func(c dmap.Check) {
		if c.Err != nil {
			failed.Store(true)
		}
		report(c)
	})
	if failed.Load() {
		report(dmap.Check{Op: string(probe.Decode), NotTried: true, Found: "the objects cannot be read"})
		return
	}
	first, _, err := firstObject(ctx, f.listing)
	switch {
	case err != nil:
		report(dmap.Check{Op: string(probe.List), Err: err})
	case first.Err != nil:
		report(dmap.Check{Op: string(probe.Read), Key: first.Key, Err: guarded.Shown(first.Err)})
	case first.Key == "":
		report(dmap.Check{Op: string(probe.Decode), NotTried: true, Found: "there is no object to decode"})
	default:
		f.tryContents(ctx, first.Value, report)
	}
}

// tryContents tries the source that open returns for an object.
func (f *flatten[T]) tryContents(ctx context.Context, o Object, report func(dmap.Check)) {
	err := guard(func() error {
		src := f.open(o)
		if src == nil {
			return errors.New("open returned no source")
		}
		plan := dmap.PlanOf(src)
		if plan.Err == nil {
			plan.Try(ctx, report)
		}
		return plan.Err
	})
	if err != nil {
		report(dmap.Check{Op: "open the contents of", Key: o.Key, Err: err})
	}
}

// smallContents is the size of an object up to which it is not divided.
const smallContents = 1 << 20

// sharing takes small objects as they are, and those that are not read at all.
func (f *flatten[T]) sharing(s dmap.Split) dmap.Sharing {
	_, _, version := identify(s)
	text, listed := strings.CutPrefix(version, listedVersion)
	if !listed {
		return dmap.SharedAsPlanned
	}
	field, _, _ := strings.Cut(text, ":")
	if size, err := strconv.ParseInt(field, 10, 64); err == nil && 0 <= size && size <= smallContents {
		return dmap.SharedAsPlanned
	}
	return dmap.SharedByReading
}
