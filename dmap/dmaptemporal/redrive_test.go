package dmaptemporal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// A redrive is seen as a whole: the items that it takes were read before, and wait until they have
// run again.
func TestARedriveOnAServerIsSeenAsAWhole(t *testing.T) {
	const all, failing = 6_000, 3_000
	c := newCluster(t, 3)
	c.fails = func(i int) bool { return i%2 == 1 && c.calls.Load() <= all }
	c.call = 40 * time.Millisecond
	_, err := c.start(all, dmaptemporal.Settings{MaxConcurrency: 150, Tolerance: dmap.Tolerance{Count: failing - 1}}).Wait()
	require.ErrorIs(t, err, dmap.ErrTolerance)
	calls := c.calls.Load()
	again := dmaptemporal.Settings{MaxConcurrency: 150, Redrive: dmap.Redrive{Max: 1}, Beat: 3 * time.Second}
	again.Redrive.Max = -1
	_, err = c.squares.Start(t.Context(), c.client, "squares", "r", params{all}, again)
	require.ErrorContains(t, err, "Redrive.Max -1 is negative")
	again.Redrive.Max = 1
	var events seen
	again.Observer = events.observer()
	run := c.start(all, again)
	waited := int64(0)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-run.Done():
			ended = true
		}
		s := run.Stats()
		require.Equal(t, s.Read, s.Succeeded+s.Failed+s.Skipped+s.Held+s.Pending)
		waited = max(waited, s.Pending)
	}
	stats, err := run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, all, stats.Succeeded)
	require.EqualValues(t, all, stats.Read)
	require.Zero(t, stats.Pending)
	require.Equal(t, 1, stats.Redrives)
	require.Equal(t, 1, events.start.Redrive)
	require.Greater(t, waited, int64(failing/2), "taken items are pending")
	require.Less(t, c.calls.Load(), calls+all, "successes are not called again")
	_, items := c.stored()
	require.Len(t, items, all)
	t.Logf("%d items waited, %d calls, then %d", waited, calls, c.calls.Load()-calls)
}
