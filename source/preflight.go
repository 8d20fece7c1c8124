package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/probe"
	"github.com/go-dmap/dmap/internal/transient"
)

// The tries of the sources for dmap.Preflight. None of them writes.

// triedKeys bounds the keys that are listed to find an object that is an item: one page.
const triedKeys = 1000

// triedBytes is the number of bytes that are read of an object.
const triedBytes = 512

// preflight lists the first page and opens the first object that is an item.
func (o *objects) preflight(ctx context.Context, report func(dmap.Check)) {
	bucket := probe.Of(o.bucket, report)
	first := new(Object) // that of an abandoned try is not looked at
	err := bucket.Try(ctx, probe.List, o.prefix, func(ctx context.Context) (found string, err error) {
		*first, found, err = firstObject(ctx, dmap.Plan[Object]{Splits: o.splits, Read: func(ctx context.Context, _ dmap.Split) iter.Seq2[dmap.Item[Object], error] {
			return o.Items(ctx)
		}})
		return found, err
	})
	tryOpen(ctx, bucket, first, err)
}

// firstObject returns the first object that is an item, if there is one among the first keys.
func firstObject(ctx context.Context, plan dmap.Plan[Object]) (first Object, found string, err error) {
	ctx, cancel := context.WithCancel(ctx) // a source may read ahead
	defer cancel()
	read := 0
	for s, err := range plan.Splits(ctx) {
		if err != nil {
			return first, "", err
		}
		for item, err := range plan.Read(ctx, s) {
			if err != nil {
				return first, "", err
			}
			read++
			switch {
			case item.Err == nil:
				return item.Value, fmt.Sprintf("the first object is %q", item.Key), nil
			case !guarded.Is(item.Err, dmap.ErrSkip):
				return first, "", fmt.Errorf("object %q: %w", item.Key, guarded.Shown(item.Err))
			case read == triedKeys:
				return first, fmt.Sprintf("none of the first %d keys is an item", read), nil
			}
		}
	}
	return first, fmt.Sprintf("none of all %d keys is an item", read), nil
}

// tryOpen reads the first bytes of an object; err says why there is none to try, nil with the zero
// Object that no object is an item.
func tryOpen(ctx context.Context, bucket probe.Bucket, o *Object, err error) {
	switch {
	case err != nil:
		bucket.Skip(probe.Read, "", "no object is known, because the try before failed")
	case o.Key == "":
		bucket.Skip(probe.Read, "", "there is no object to read")
	default:
		_ = bucket.Try(ctx, probe.Read, o.Key, o.readStart)
	}
}

// readStart reads the first bytes of the object.
func (o Object) readStart(ctx context.Context) (found string, err error) {
	in, err := o.openNow(ctx)
	if err != nil {
		return "", err
	}
	defer in.Close()
	n, err := io.ReadFull(in, make([]byte, triedBytes))
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return fmt.Sprintf("the first %d bytes", n), err
}

// preflight asks for the attributes of the first key and opens its object.
func (k *keyed) preflight(ctx context.Context, report func(dmap.Check)) {
	bucket := probe.Of(k.bucket, report)
	first := new(Object)
	err := bucket.Try(ctx, probe.Attributes, "", func(ctx context.Context) (found string, err error) {
		for s, err := range k.keys.Splits(ctx) {
			if err != nil {
				return "", err
			}
			for named, err := range k.keys.Read(ctx, s) {
				if err == nil {
					err = named.Err
				}
				if err != nil {
					return "", err
				}
				item := k.item(ctx, named)
				*first = item.Value
				return fmt.Sprintf("the first key is %q", item.Key), item.Err
			}
		}
		return "there are no keys", nil
	})
	tryOpen(ctx, bucket, first, err)
}

// preflight asks for the attributes of the object, reads its first bytes and decodes its first
// record.
func (r *records[T]) preflight(ctx context.Context, report func(dmap.Check)) {
	if r.object.from == nil {
		report(dmap.Check{Op: string(probe.Read), Key: r.object.Key, Err: r.object.noBucket()})
		return
	}
	bucket := probe.Of(r.object.from.bucket, report)
	object := r.object
	if !r.listed {
		pinned := new(Object)
		err := bucket.Try(ctx, probe.Attributes, object.Key, func(ctx context.Context) (found string, err error) {
			if *pinned, err = r.pin(ctx); err == nil && pinned.Size >= 0 {
				found = fmt.Sprintf("%d bytes", pinned.Size)
			}
			return found, err
		})
		switch {
		case err == nil:
			object = *pinned
		case transient.Absent(err):
			bucket.Skip(probe.Read, object.Key, "there is no object to read")
			return
		} // otherwise it may be readable all the same
	}
	if err := bucket.Try(ctx, probe.Read, object.Key, object.readStart); err != nil {
		bucket.Skip(probe.Decode, object.Key, "the object cannot be read")
		return
	}
	_ = bucket.Try(ctx, probe.Decode, object.Key, r.decodeFirst)
}

// decodeFirst decodes the first record of the object as it is now.
func (r *records[T]) decodeFirst(ctx context.Context) (found string, err error) {
	for item, err := range r.readSplit(ctx, dmap.Split{ID: r.object.Key, Object: r.object.Key}) {
		switch {
		case err != nil:
			return "", err
		case item.Err != nil && !guarded.Is(item.Err, dmap.ErrSkip):
			return "", item.Err
		}
		return fmt.Sprintf("a record of %d bytes", item.Size), nil
	}
	return "there is no record", nil
}

// preflight has nothing to try.
func (s *slice[T]) preflight(_ context.Context, report func(dmap.Check)) {
	report(dmap.Check{Op: string(probe.Read), Found: fmt.Sprintf("%d values in memory", len(s.items))})
}

// partsAtOnce is the number of sources that Concat tries at once.
const partsAtOnce = 16

// preflight tries all parts.
func (c *concat[T]) preflight(ctx context.Context, report func(dmap.Check)) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, partsAtOnce)
	for _, p := range c.parts {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := guard(func() error { p.Try(ctx, report); return nil }); err != nil {
				report(dmap.Check{Op: "try a part of " + c.name, Err: err})
			}
		})
	}
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
	case first.Key == "":
		report(dmap.Check{Op: string(probe.Decode), NotTried: true, Found: "there is no object to decode"})
	default:
		f.tryContents(ctx, first, report)
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
