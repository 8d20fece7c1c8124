package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

func TestALeaseThatGaveItsRestBackCountsByItsCalls(t *testing.T) {
	s := begin(t, Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, piece(0, 100), piece(100, 200))
	first, second := take(t, s, 0), take(t, s, 0)
	rest := []dmap.Split{piece(20, 50), piece(70, 100)}
	require.Equal(t, Accepted, s.Shed(lease.Shed{Ref: first.Ref, Rest: rest, Calls: 9}, after(30*time.Second)))
	require.Equal(t, []dmap.Split{piece(0, 20), piece(50, 70)}, s.Open[0].Splits)
	require.Equal(t, Pieces{{Split: rest[0], Part: 0.25}, {Split: rest[1], Part: 0.25}}, s.Queue)
	_, ok := s.Take(after(31 * time.Second))
	require.False(t, ok, "9 calls are more than half of a lease's: one slot of each lease would be too many")

	require.Equal(t, Accepted, s.Shed(lease.Shed{Ref: second.Ref, Rest: []dmap.Split{piece(150, 200)}, Calls: 7}, after(32*time.Second)))
	third := take(t, s, 33*time.Second)
	require.Equal(t, 16, third.Slots, "9 and 7 calls remain, of 32")
	_, ok = s.Take(after(33 * time.Second))
	require.False(t, ok)

	// The report has all that is left, also the splits that others have by now.
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: first.Ref, Reason: lease.Late, Counts: counts(40, 0), Rest: rest}, after(time.Minute)))
	require.Equal(t, Pieces{{Split: rest[1], Part: 0.25}, {Split: piece(150, 200), Part: 0.5}}, s.Queue)
	require.Equal(t, Accepted, s.Lost(second.Ref, after(time.Minute)))
	require.Equal(t, []dmap.Split{piece(100, 150)}, take(t, s, time.Minute).Splits, "its next attempt has only these")
}

// A lease that has read all its splits gives back the slots that its last calls do not use.
func TestALeaseGivesBackItsSlotsAlone(t *testing.T) {
	s := begin(t, Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, piece(0, 100), piece(100, 200), piece(200, 300))
	first := take(t, s, 0)
	take(t, s, 0)
	_, ok := s.Take(after(0))
	require.False(t, ok)
	require.Equal(t, Accepted, s.Shed(lease.Shed{Ref: first.Ref, Calls: 16}, after(time.Second)))
	_, ok = s.Take(after(time.Second))
	require.False(t, ok, "it uses all of its slots")
	require.Equal(t, Repeated, s.Shed(lease.Shed{Ref: first.Ref, Calls: 16}, after(time.Second)))
	require.Equal(t, Accepted, s.Shed(lease.Shed{Ref: first.Ref}, after(time.Second)))
	require.Equal(t, []dmap.Split{piece(0, 100)}, s.Open[0].Splits, "its next attempt has all of them")
	require.Equal(t, []dmap.Split{piece(200, 300)}, take(t, s, time.Second).Splits)
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: first.Ref, Reason: lease.Done, Counts: counts(100, 0)}, after(2*time.Second)))
	require.Empty(t, s.Queue)
}

func TestSplitsThatALeaseCannotGiveBackAreRefused(t *testing.T) {
	s := begin(t, all, piece(0, 100))
	l := take(t, s, 0)
	for name, rest := range map[string][]dmap.Split{
		"of another lease": {piece(90, 110)}, "twice": {piece(10, 20), piece(15, 30)}, "without an end": {{ID: "s"}},
	} {
		before := through(t, s)
		require.Equal(t, Invalid, s.Shed(lease.Shed{Ref: l.Ref, Rest: rest}, after(time.Second)), name)
		require.Equal(t, before, through(t, s), name)
	}
	require.Equal(t, OtherEra, s.Shed(lease.Shed{Ref: lease.Ref{Lease: l.Lease, Attempt: 1, Era: 6}}, after(0)))
	require.Equal(t, Accepted, s.Lost(l.Ref, after(0)))
	require.Equal(t, Repeated, s.Shed(lease.Shed{Ref: l.Ref, Rest: []dmap.Split{piece(50, 100)}}, after(0)))
}

func TestTheRemainingPartsOfSplits(t *testing.T) {
	open := dmap.Split{ID: "s", From: dmap.Cursor{Offset: 10}, Before: "hash"}
	for _, c := range []struct {
		name            string
		splits, out, is []dmap.Split
	}{
		{"the middle", []dmap.Split{piece(0, 9)}, []dmap.Split{piece(3, 6)}, []dmap.Split{piece(0, 3), piece(6, 9)}},
		{"the start", []dmap.Split{piece(0, 9)}, []dmap.Split{piece(0, 6)}, []dmap.Split{piece(6, 9)}},
		{"all", []dmap.Split{piece(0, 9)}, []dmap.Split{piece(0, 9)}, []dmap.Split{}},
		{"out of order", []dmap.Split{piece(0, 9)}, []dmap.Split{piece(6, 7), piece(1, 2)}, []dmap.Split{piece(0, 1), piece(2, 6), piece(7, 9)}},
		{"an end that is open", []dmap.Split{open}, []dmap.Split{{ID: "s", From: dmap.Cursor{Offset: 20}}},
			[]dmap.Split{{ID: "s", From: dmap.Cursor{Offset: 10}, To: dmap.Cursor{Offset: 20}, Before: "hash"}}},
		{"another split", []dmap.Split{piece(0, 9), {ID: "t"}}, []dmap.Split{{ID: "t"}}, []dmap.Split{piece(0, 9)}},
	} {
		require.Equal(t, c.is, remaining(c.splits, c.out), c.name)
	}
}

func TestALowerLimitLeavesRoomForCallsThatOnlyFinish(t *testing.T) {
	c := Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}
	s := begin(t, c, piece(0, 100), piece(100, 200))
	l := take(t, s, 0)
	take(t, s, 0)
	require.Equal(t, Accepted, s.Shed(lease.Shed{Ref: l.Ref, Rest: []dmap.Split{piece(50, 100)}, Calls: 9}, after(0)))
	c.Limit = 16
	require.NoError(t, s.Set(c, after(0)))
	require.Equal(t, 7, s.Orders().Usual)
}
