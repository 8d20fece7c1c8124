package source

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/ranges"
)

// ReadAhead is readAhead.
func ReadAhead[T any](ctx context.Context, p dmap.Plan[T], most int) iter.Seq2[dmap.Item[T], error] {
	return func(yield func(dmap.Item[T], error) bool) {
		for item, err := range readAhead(ctx, p, most) {
			if !yield(item.Item, err) {
				return
			}
		}
	}
}

// Divide makes src, which CSV or JSONLines returned, divide every object into parts of about part
// bytes, and returns src.
func Divide[S any](src S, part int64) S {
	rows := ranges.Options{Requests: 4, Part: part, Block: max(part/3, 1), Memory: 8 * part}
	any(src).(interface{ tune(tuning) }).tune(tuning{
		minLines: part, maxLines: part, probe: max(part/4, 1), rows: rows, parallelFrom: 3 * part, tail: rows,
	})
	return src
}

func (r *records[T]) tune(t tuning) { r.large.tuning = t }

// Prefetched returns the number of bytes that src holds for splits that no reader has taken.
func Prefetched(src any) int64 { return src.(interface{ prefetchedBytes() int64 }).prefetchedBytes() }

func (r *records[T]) prefetchedBytes() (sum int64) {
	r.large.mu.Lock()
	defer r.large.mu.Unlock()
	for _, k := range r.large.prefetched {
		for _, p := range k.pieces {
			sum += int64(len(p.bytes))
		}
	}
	return sum
}

// DivideSmall makes src divide objects as it would divide ones that are 1,024 times as large.
func DivideSmall[S any](src S) S {
	const scale = 1 << 10
	t := defaultTuning()
	for _, size := range []*int64{
		&t.small, &t.minLines, &t.maxLines, &t.probe, &t.rows.Part, &t.rows.Block, &t.rows.Memory, &t.parallelFrom, &t.tail.Part, &t.tail.Block, &t.tail.Memory,
	} {
		*size /= scale
	}
	any(src).(interface{ tune(tuning) }).tune(t)
	return src
}

// PlaceOf is placeOf, and ListingCursor its inverse.
func PlaceOf(c dmap.Cursor) string { return placeOf(c) }

func ListingCursor(place string) (dmap.Cursor, bool) { return listingCursor(place) }
