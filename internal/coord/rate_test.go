package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// The first leases start with rates that are together no more than that of the run: a worker
// learns of another rate only after a second or two.
func TestTheFirstLeasesShareTheRate(t *testing.T) {
	start := Start{Control: Control{Limit: 40, PerLease: 4, Rate: dmap.Rate{Calls: 100}}, Now: time.Unix(0, 0)}
	for i := range 8 {
		start.Pieces = append(start.Pieces, dmap.Split{ID: "n", From: dmap.Cursor{Offset: int64(i)}, To: dmap.Cursor{Offset: int64(i + 1)}})
	}
	for _, planned := range []bool{false, true} {
		start.Planned = planned
		s, err := Begin(start)
		require.NoError(t, err)
		sum, leases := 0.0, 0
		for {
			l, ok := s.Take(start.Now)
			if !ok {
				break
			}
			sum += l.Rate.Calls
			leases++
		}
		require.Equal(t, 8, leases)
		require.LessOrEqual(t, sum, 100.0)
		require.Greater(t, sum, 50.0)
	}
}
