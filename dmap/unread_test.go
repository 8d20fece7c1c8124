package dmap_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// A resumed run reads each gap between settled parts by itself. It stops when the first gap of a
// split is read, and the others wait for a reader.
func TestARunThatStopsBetweenPartsOfASplitCountsEachItemOnce(t *testing.T) {
	for _, divided := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const each, gap = 800_000, 100_000
			var src interface {
				dmap.Source[int]
				Splits(ctx context.Context) iter.Seq2[dmap.Split, error]
			}
			n, id, concurrency := int64(each+10), "0", 1
			src = pieces{n: int(n), each: each}
			if divided {
				n, id, concurrency = each, "sheet", 2
				src = &sheet{pieces: pieces{n: each}, readers: 1, page: 500}
			}
			opts := dmap.Options{RunID: "r", MaxConcurrency: concurrency, PoisonAfter: -1}
			var d diary
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(dmap.ErrSuspended)
			_, err := dmap.Map(ctx, src, double, opts, &d)
			require.ErrorIs(t, err, dmap.ErrSuspended)
			settled := journal.Commit{Number: int64(len(d.commits))}
			covered := make([]int, n)
			for from := int64(0); from < each; from += gap {
				to := from + gap*8/10
				settled.Settled = append(settled.Settled, journal.Interval{Split: id, From: journal.Cursor{Offset: from}, To: journal.Cursor{Offset: to}})
				settled.Counts.Read += to - from
				for i := from; i < to; i++ {
					covered[i]++
				}
			}
			settled.Counts.Succeeded = settled.Counts.Read
			d.commits = append(d.commits, settled)

			var got keep[int]
			ctx, cancel = context.WithCancelCause(t.Context())
			_, err = dmap.Map(ctx, src, func(ctx context.Context, v int) (int, error) {
				time.Sleep(time.Second)
				cancel(errBoom)
				return v, nil
			}, opts, &d, &got)
			require.ErrorIs(t, err, errBoom)
			for _, r := range got.results {
				covered[r.Offset]++
			}
			end := got.ended[0]
			for _, p := range end.Pending {
				covered[p.Offset]++
			}
			unread := end.Unread.Splits
			remaining := end.Unread.Remaining()
			for s := range src.Splits(ctx) {
				if after := end.Unread.After; end.Unread.All || after != nil && s.From.Offset > after.From.Offset {
					unread = append(unread, remaining(s)...)
				}
			}
			for _, s := range unread {
				to := s.To.Offset
				if to == 0 {
					to = n
				}
				for i := s.From.Offset; i < to; i++ {
					covered[i]++
				}
			}
			for i, times := range covered {
				if times != 1 {
					require.Equal(t, 1, times, "item %d, divided %v, %+v", i, divided, end.Unread)
				}
			}
		})
	}
}
