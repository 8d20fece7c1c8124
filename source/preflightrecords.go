package source

import (
	"context"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/probe"
	"github.com/go-dmap/dmap/internal/transient"
)

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
