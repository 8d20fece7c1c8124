package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPiecesGrowWithThePlan(t *testing.T) {
	for _, c := range []struct {
		name    string
		call    time.Duration
		slots   int
		n       int
		planned int64
		want    int64
	}{
		{"a call may take an hour", 0, 6, 15, 0, 6},
		{"calls of 20 ms: half a second of a lease", 20 * time.Millisecond, 6, 15, 1500, 150},
		{"a 120th of the plan", 20 * time.Millisecond, 6, 15, 120_000, 996},
		{"half a lease", 20 * time.Millisecond, 6, 15, 1e9, 9000},
		{"at most", time.Millisecond, 6, 15, 1e9, 9996},
		{"calls of an hour: one for each slot", time.Hour, 6, 15, 1e9, 6},
		{"many leases are longer", 20 * time.Millisecond, 16, 1000, 0, 8000},
	} {
		require.Equal(t, c.want, pieceItems(c.call, c.slots, c.n, c.planned), c.name)
	}
}

func TestASplitIsOnePieceIfALeaseIsSoonDone(t *testing.T) {
	require.EqualValues(t, 0, wholeItems(0, 8, 12), "a call may take an hour")
	require.EqualValues(t, 4000, wholeItems(time.Millisecond, 8, 12))
	require.EqualValues(t, 80_000_000, wholeItems(50, 8, 12))
	require.EqualValues(t, 0, wholeItems(time.Hour, 8, 12))
}

func TestLeasesUseAllOfALimitThatTheyCanDivide(t *testing.T) {
	for _, c := range []struct{ limit, per, leases, slots int }{
		{90, 8, 15, 6}, {30, 8, 5, 6}, {97, 8, 16, 6}, {160, 16, 10, 16}, {1, 8, 1, 1}, {5, 1, 5, 1}, {10_000, 1, 1000, 10},
	} {
		control := Control{Limit: c.limit, PerLease: c.per}
		require.Equal(t, c.leases, control.Capacity(), c)
		require.Equal(t, c.slots, control.slots(0), c)
	}
}
