package source

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/ranges"
)

// ReadAhead is readAhead.
func ReadAhead[T any](ctx context.Context, p dmap.Plan[T], most int) iter.Seq2[dmap.Item[T], error] {
	return readAhead(ctx, p, most)
}

// Cut makes src, which CSV or JSONLines returned, cut every object into parts of about so many bytes, and returns src.
func Cut[S any](src S, part int64) S {
	rows := ranges.Options{Requests: 4, Part: part, Block: max(part/3, 1), Memory: 8 * part}
	any(src).(interface{ tune(tuning) }).tune(tuning{
		lines: part, mostLine: part, probe: max(part/4, 1), rows: rows, solo: 3 * part, tail: rows,
	})
	return src
}

func (r *records[T]) tune(t tuning) { r.large.tuning = t }

// Kept is how many bytes src keeps in memory for splits that nobody has read.
func Kept(src any) int64 { return src.(interface{ keptBytes() int64 }).keptBytes() }

func (r *records[T]) keptBytes() (sum int64) {
	r.large.mu.Lock()
	defer r.large.mu.Unlock()
	for _, k := range r.large.kept {
		for _, p := range k.pieces {
			sum += int64(len(p.bytes))
		}
	}
	return sum
}

// CutSmall makes src cut objects as it would cut ones that are 1,024 times as large.
func CutSmall[S any](src S) S {
	const scale = 1 << 10
	t := usual()
	for _, size := range []*int64{
		&t.small, &t.lines, &t.mostLine, &t.probe, &t.rows.Part, &t.rows.Block, &t.rows.Memory, &t.solo, &t.tail.Part, &t.tail.Block, &t.tail.Memory,
	} {
		*size /= scale
	}
	any(src).(interface{ tune(tuning) }).tune(t)
	return src
}
