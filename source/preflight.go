package source

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/probe"
)

// The tries of the sources for dmap.Preflight. None of them writes.

// triedKeys bounds the keys that are listed to find an object that is an item: one page.
const triedKeys = 1000

// triedBytes is the number of bytes that are read of an object.
const triedBytes = 512

// preflight lists the first page and opens the first object that is an item.
func (o *objects) preflight(ctx context.Context, report func(dmap.Check)) {
	bucket := probe.Of(o.bucket, report)
	first := new(dmap.Item[Object]) // that of an abandoned try is not looked at
	err := bucket.Try(ctx, probe.List, o.prefix, func(ctx context.Context) (found string, err error) {
		*first, found, err = firstObject(ctx, dmap.Plan[Object]{Splits: o.splits, Read: func(ctx context.Context, _ dmap.Split) iter.Seq2[dmap.Item[Object], error] {
			return o.Items(ctx)
		}})
		return found, err
	})
	tryOpen(ctx, bucket, first, err)
}

// firstObject returns the first object that is not skipped, if there is one among the first keys.
// found names no key, as texts redact that of their Check only.
func firstObject(ctx context.Context, plan dmap.Plan[Object]) (first dmap.Item[Object], found string, err error) {
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
			case !guarded.Is(item.Err, dmap.ErrSkip):
				return item, "it has objects", nil
			case read == triedKeys:
				return first, fmt.Sprintf("none of the first %d keys is an item", read), nil
			}
		}
	}
	return first, fmt.Sprintf("none of all %d keys is an item", read), nil
}

// tryOpen reads the first bytes of an object; err says why there is none to try, nil with the zero
// Item that no object is an item.
func tryOpen(ctx context.Context, bucket probe.Bucket, o *dmap.Item[Object], err error) {
	switch {
	case err != nil:
		bucket.Skip(probe.Read, "", "no object is known, because the try before failed")
	case o.Key == "":
		bucket.Skip(probe.Read, "", "there is no object to read")
	default:
		_ = bucket.Try(ctx, probe.Read, o.Key, func(ctx context.Context) (string, error) {
			if o.Err != nil {
				return "", guarded.Shown(o.Err)
			}
			return o.Value.readStart(ctx)
		})
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

// partsAtOnce is the number of sources that Concat tries at once.
const partsAtOnce = 16
