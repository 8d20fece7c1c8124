package dmap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// A function of a source that waits for a store gets the error of its context when the run stops,
// maybe before the engine knows of it. Its item has not failed: it is unread, or pending.
func TestAnItemThatIsReadWhenTheRunStopsIsUnread(t *testing.T) {
	for name, fill := range map[string]bool{"filled": true, "yielded": false} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				ctx, cancel := context.WithCancelCause(t.Context())
				read := source.Transform(source.Slice([]int{0, 1, 2}), func(ctx context.Context, i int) (int, error) {
					if i < 1 {
						return i, nil
					}
					cancel(dmap.ErrSuspended)
					<-ctx.Done()
					return 0, context.Cause(ctx)
				})
				if !fill {
					read = unfilled{read}
				}
				stats, err := dmap.Map(ctx, read, func(_ context.Context, i int) (int, error) { return i, nil }, dmap.Options{})
				require.ErrorIs(t, err, dmap.ErrSuspended)
				require.Zero(t, stats.Failed)
				require.Equal(t, stats.Read, stats.Succeeded+stats.Pending)
			}
		})
	}
}

// unfilled is a source without Fill.
type unfilled struct{ dmap.Source[int] }

func (u unfilled) Plan() dmap.Plan[int] {
	p := dmap.PlanOf(u.Source)
	p.Fill = nil
	return p
}
