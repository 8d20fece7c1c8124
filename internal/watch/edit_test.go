package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// The mark of a stored edit is that of the live run.
func TestStoredEditsHaveTheMarksOfLiveOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, NewSet(Options{}), dmap.RunSpec{RunID: "monday"})
		for want, e := range map[string]dmap.EditEvent{
			"concurrency: 10 to 2,000 calls":                     {Setting: "MaxConcurrency", From: 10, To: 2000},
			"concurrency: 1,000 to 1 call":                       {Setting: "MaxConcurrency", From: 1000, To: 1},
			"rate: no limit to 50 calls a second, burst 3":       {Setting: "Rate", From: dmap.Rate{}, To: dmap.Rate{Calls: 50, Burst: 3}},
			"tolerance: none to 7 items or 5 % from 20 items on": {Setting: "Tolerance", From: dmap.Tolerance{}, To: dmap.Tolerance{Count: 7, Percentage: 5, MinItems: 20}},
			"tolerance: none to none, 3 broken objects":          {Setting: "Tolerance", From: dmap.Tolerance{}, To: dmap.Tolerance{BrokenObjects: 3}},
			"paused":  {Setting: "Paused", From: false, To: true},
			"resumed": {Setting: "Paused", From: true, To: false},
		} {
			w.Edited(w.ctx, e)
			marks := w.Snapshot().Marks
			require.Equal(t, want, marks[len(marks)-1].Text)
			from, to := e.Texts()
			require.Equal(t, marks[len(marks)-1], EditMark(dmap.Edit{At: time.Now(), Setting: e.Setting, From: from, To: to}))
		}
	})
}

// Anybody who may write to the bucket writes edits.
func TestOddStoredEditsAreOneLine(t *testing.T) {
	for want, e := range map[string]dmap.Edit{
		"x: a to b":                 {Setting: "X", From: "a", To: "b\nc"},
		"concurrency: a to b calls": {Setting: "MaxConcurrency", From: "a\n1", To: "b\n2"},
		"paused: a to perhaps":      {Setting: "Paused", From: "a", To: "perhaps"},
		":  to ":                    {},
	} {
		require.Equal(t, want, EditMark(e).Text)
	}
}

func TestTheGaugeOfAStoredRun(t *testing.T) {
	s := dmap.Stats{Read: 200, Succeeded: 90, Failed: 10, Skipped: 50, Pending: 50}
	require.Equal(t, Fuel{Text: "10 failures", Unknown: true}, StoredFuel(nil, s, false))
	require.Equal(t, Fuel{Text: "10 of 40 tolerated failures used", Share: 0.25}, StoredFuel(&dmap.Tolerance{Count: 40}, s, false))
	require.Equal(t, Fuel{Text: "10 failures; none is tolerated", Share: 1}, StoredFuel(&dmap.Tolerance{}, s, true))
	percent := StoredFuel(&dmap.Tolerance{Percentage: 20}, s, false)
	require.InDelta(t, 0.5, percent.Share, 1e-9, "10 of the 100 settled items")
	require.Equal(t, "the percentage is judged from 1,000 items on", percent.Judge)
	percent = StoredFuel(&dmap.Tolerance{Percentage: 20}, s, true)
	require.InDelta(t, 10.0/150/0.2, percent.Share, 1e-9, "all but the skipped ones")
	require.Empty(t, percent.Judge)
}

// The engine judges a percentage without the items that the source skips.
func TestTheGaugeLeavesSkippedItemsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{})
		w := watch(t, set, dmap.RunSpec{RunID: "monday", Options: dmap.Options{Tolerance: dmap.Tolerance{Percentage: 20, MinItems: 10}}})
		w.run.set(func(s *dmap.Stats) { s.Read, s.Succeeded, s.Failed, s.Skipped = 1000, 90, 10, 900 })
		time.Sleep(2 * time.Second)
		require.InDelta(t, 0.5, w.Snapshot().Fuel.Share, 1e-9)
	})
}
