package sink_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
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

// A decision that had its effect is not named later, even if that of a later hold was written
// first.
func TestDecisionsWithEffectAreNotNamed(t *testing.T) {
	a := &approvals{bucket: memory(t), src: zeroTo(10), holds: func(n int, d *dmap.Decision) bool {
		return n == 5 || n == 0 && (d == nil || d.Holds < 2)
	}}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	for _, hold := range []int{2, 1} {
		content, err := runfolder.EncodeDecision(runfolder.DecisionFile{ID: item(0), Decision: runfolder.Approve})
		require.NoError(t, err)
		require.NoError(t, a.bucket.WriteAll(t.Context(), "out/r/"+runfolder.DecisionName(item(0), hold), content, nil))
		for written := time.Now(); time.Since(written) < 20*time.Millisecond; { // their times are in microseconds
			runtime.Gosched()
		}
	}
	var held *dmap.HeldError
	for call := range 3 {
		_, err = a.run(t)
		require.ErrorAs(t, err, &held)
		require.Len(t, held.Ignored, max(0, 1-call), "the first call: the decision about the second hold")
	}
	require.Len(t, a.calls[0], 3)
}
