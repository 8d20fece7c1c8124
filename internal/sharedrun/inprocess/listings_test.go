package inprocess_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/testsize"
)

const (
	pageItems = 1_000
	pageTime  = 20 * time.Millisecond
)

// listing is a listing in pages, whose readers divide ranges of three pages and more. Each item is
// the time of its call.
type listing struct {
	n    int64
	call time.Duration
}

func (l listing) String() string { return "listing" }

func (l listing) Items(ctx context.Context) iter.Seq2[dmap.Item[time.Duration], error] {
	return l.read(ctx, dmap.Split{})
}

func (l listing) Plan() dmap.Plan[time.Duration] {
	return dmap.Plan[time.Duration]{
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
			return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: "keys"}, nil) }
		},
		Read: l.read, TrySplit: l.trySplit, Readers: 8,
		Sharing: func(dmap.Split) dmap.Sharing { return dmap.SharedByTrySplit },
	}
}

func (l listing) trySplit(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	most := int64(3*pageItems - 1)
	for i, r := range reading {
		end := r.To.Offset
		if end == 0 {
			end = l.n
		}
		if n := end - r.From.Offset; n > most {
			most, which, ok = n, i, true
			at.Offset = r.From.Offset + n/2
		}
	}
	return which, at, ok
}

func (l listing) read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[time.Duration], error] {
	return func(yield func(dmap.Item[time.Duration], error) bool) {
		for i := split.From.Offset; i < l.n; i++ {
			if (i-split.From.Offset)%pageItems == 0 {
				select {
				case <-time.After(pageTime):
				case <-ctx.Done():
					yield(dmap.Item[time.Duration]{}, context.Cause(ctx))
					return
				}
			}
			if !yield(dmap.Item[time.Duration]{Key: "k", Offset: i, Value: l.call, Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

// In virtual time. A listing is one range until its first lease has divided it.
func TestSharedListingsEndNearTheIdealTime(t *testing.T) {
	const limit = 90
	cases := []struct {
		name string
		n    int64
		call time.Duration
		most float64
	}{
		{"ranges that TrySplit divides", 60_000, 20 * time.Millisecond, 1.45},
		{"few ranges", 20_000, 20 * time.Millisecond, 2}, // leases open and end in 200 ms
		{"few ranges, longer", 20_000, 200 * time.Millisecond, 1.2},
		{"seconds", 20_000, time.Second, 1.1},
		{"one range", 2_000, 10 * time.Second, 1.2},
		{"a page", 500, time.Minute, 1.35}, // six or seven rounds of calls
	}
	for _, c := range cases[:testsize.Sizes{Short: 1, Race: 1, Usual: len(cases)}.Now()] {
		t.Run(c.name, func(t *testing.T) {
			control := coord.Control{Limit: limit, PerLease: 8, Tolerance: dmap.Tolerance{Percentage: 100}}
			wall, ideal := wallTime(t, control, listing{c.n, c.call}), time.Duration(c.n)*c.call/limit
			t.Logf("%v, ideal %v: %.2f", wall, ideal, wall.Seconds()/ideal.Seconds())
			require.LessOrEqual(t, wall.Seconds()/ideal.Seconds(), c.most)
		})
	}
}
