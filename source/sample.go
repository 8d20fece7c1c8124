package source

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/estimate"
	guarded "github.com/go-dmap/dmap/internal/guard"
)

// The blocks at random places of an object from which its records are sampled.
const (
	sampleBlock  = 16 << 10 // bytes
	sampleBlocks = 100      // blocks, or one for each item if there are more
	mostBlocks   = 1000
)

// sample reads blocks at random places of a large object, and passes the records that begin in them
// to add. The number of all records follows from the mean number in a block. The blocks are
// different ones of a grid: each record is as likely as each other, and none comes twice. Of
// records that are longer than blocks there are too few; then the object must be read as a whole.
//
// A place inside a quoted field of CSV that spans lines is no row start. Rows from there on do not
// fit the header: if that happens in more than a few blocks the object must be read as a whole.
func (r *records[T]) sample(ctx context.Context, n int, random *rand.Rand, add func(dmap.Item[T])) (items, bytes dmap.Range, err error) {
	object, err := r.pin(ctx)
	if err != nil {
		return items, bytes, err
	}
	blocks := min(max(n, sampleBlocks), mostBlocks)
	if !r.lines || r.divide == nil || compressedName(object.Key) || object.Size < int64(4*blocks*sampleBlock) {
		return items, bytes, errors.ErrUnsupported
	}
	lines := &linePlan{large: &r.large, object: object}
	if lines.stored, err = object.stored(); err != nil {
		return items, bytes, err
	}
	if err := lines.divisible(ctx); err != nil {
		return items, bytes, errors.Join(err, errors.ErrUnsupported)
	}
	counts, bad, sampled := make([]float64, 0, blocks), 0, 0
	for _, at := range randomPlaces(blocks, (object.Size-1)/sampleBlock, random) {
		found, err := r.sampleAt(ctx, lines, 1+at*sampleBlock)
		if err != nil {
			return items, bytes, err
		}
		failed := false
		for _, item := range found {
			failed = failed || item.Err != nil && !guarded.Is(item.Err, dmap.ErrSkip)
		}
		if failed && r.kind == "csv" {
			if bad++; bad > blocks/20 {
				return items, bytes, errors.ErrUnsupported
			}
			continue
		}
		counts = append(counts, float64(len(found)))
		sampled += len(found)
		for _, item := range found {
			add(item)
		}
	}
	if sampled < estimate.MinUnits {
		return items, bytes, errors.ErrUnsupported
	}
	all := float64(object.Size) / sampleBlock
	each := estimate.Rest(counts, all, 0.95, random)
	size := float64(object.Size)
	return dmap.Range{Low: all * each.Low, High: all * each.High}, dmap.Range{Low: size, High: size}, nil
}

// randomPlaces returns n different numbers from 0 to size-1, of which there are many more.
func randomPlaces(n int, size int64, random *rand.Rand) []int64 {
	taken := make(map[int64]bool, n)
	places := make([]int64, 0, n)
	for len(places) < n {
		if at := random.Int64N(size); !taken[at] {
			taken[at] = true
			places = append(places, at)
		}
	}
	return places
}

// sampleAt returns the records that begin in the block at an offset.
func (r *records[T]) sampleAt(ctx context.Context, lines *linePlan, at int64) (items []dmap.Item[T], err error) {
	from, err := lines.lineStart(ctx, at, at+sampleBlock)
	if err != nil || from == 0 {
		return nil, err
	}
	part := span{object: lines.object, from: from, to: at + sampleBlock, lines: true, large: &r.large}
	r.read(ctx, part, r.item, func(item dmap.Item[T], failed error) bool {
		if err = failed; err == nil {
			items = append(items, item)
		}
		return err == nil
	})
	return items, err
}
