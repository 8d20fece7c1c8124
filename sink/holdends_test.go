package sink_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

// The end of a redrive is judged by all items of the run, also if some of them are held.
func TestHeldItemsAreInTheTotalOfARedrive(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives), batch: batch}
		a.opts = dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 15}}
		a.fails = func(n int, _ *dmap.Decision) error {
			if n == 1 || n == 6 {
				return errDown
			}
			return nil
		}
		_, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.NoError(t, sink.End(t.Context(), a.bucket, "out", "r"))
		a.opts.Redrive = dmap.Redrive{Max: 1, Canceled: true, Match: func(e *dmap.ItemError) bool { return e.Offset == 1 }}
		stats, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld, "2 of 20 failed")
		require.Equal(t, 1, stats.Redrives)
		require.EqualValues(t, 2, stats.Failed)
		a.fails = nil
		a.approve(t, item(0), item(5), item(10), item(15))
		stats, err = a.run(t)
		require.NoError(t, err)
		require.EqualValues(t, 18, stats.Succeeded)
	})
}
