package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// Commits that come after a reading settle items that its Stats do not count: RunAgain stays that
// of the reading.
func TestRunAgainIsOfTheReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, NewSet(Options{}), dmap.RunSpec{RunID: "monday"})
		w.run.set(func(s *dmap.Stats) { s.Read, s.Succeeded, s.Pending, s.InFlight = 1610, 1600, 10, 10 })
		w.Committed(w.ctx, dmap.CommitEvent{Number: 1, Succeeded: 600})
		time.Sleep(1100 * time.Millisecond)
		require.EqualValues(t, 1010, w.Snapshot().Durable.RunAgain)

		w.run.set(func(s *dmap.Stats) { s.Read, s.Succeeded = 2910, 2900 })
		w.Committed(w.ctx, dmap.CommitEvent{Number: 2, Succeeded: 2000})
		d := w.Snapshot().Durable
		require.EqualValues(t, 1010, d.RunAgain, "the reading is the old one")
		require.EqualValues(t, 2, d.Commits)
		time.Sleep(time.Second)
		require.EqualValues(t, 310, w.Snapshot().Durable.RunAgain)
	})
}
