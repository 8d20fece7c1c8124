package dmaptemporal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap/dmaptemporal"
)

// The write-ahead log of the server's database must keep what the server has acknowledged: the
// workflow would have leases twice, or lose them.
func TestARunOnAServerOutlivesItsKills(t *testing.T) {
	c := newCluster(t, 2)
	run := c.start(6_000, dmaptemporal.Settings{MaxConcurrency: 20})
	for _, settled := range []int64{500, 2_000} {
		require.Eventually(t, func() bool { return c.calls.Load() > settled }, 2*time.Minute, 10*time.Millisecond)
		c.server.kill()
		c.server.start(t)
	}
	stats, err := run.Wait()
	require.NoError(t, err)
	require.EqualValues(t, 6_000, stats.Succeeded)
	_, items := c.stored()
	require.Len(t, items, 6_000)
	require.LessOrEqual(t, c.calls.Load(), int64(6_000+100), "calls run twice only if the server was away for longer than the heartbeats")
}
