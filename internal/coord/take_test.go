package coord

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

func TestAListingIsDividedByItsFirstLease(t *testing.T) {
	s := begin(t, Control{Limit: 1600, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, dmap.Split{ID: "s"})
	l := take(t, s, 0)
	require.Equal(t, 500*time.Millisecond, l.Time, "workers are idle")
	require.Equal(t, 32, l.Rest)
	require.Equal(t, 16, l.Slots)
	_, ok := s.Take(after(0))
	require.False(t, ok)
	var rest []dmap.Split
	for i := range 32 {
		rest = append(rest, piece(1000*i, 1000*i+1000))
	}
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Late, Counts: counts(10, 0), Rest: rest, Worked: time.Second}, after(3*time.Second)))
	for i := range 31 {
		require.Equal(t, time.Minute, take(t, s, 3*time.Second).Time, i)
	}
	require.Equal(t, 620*time.Millisecond, take(t, s, 3*time.Second).Time, "the last one leaves workers idle: 50 leases a second")
	_, ok = s.Take(after(3500 * time.Millisecond))
	require.False(t, ok)
	require.Empty(t, s.Orders().Stop, "too early")
	wake, ok := s.Wake(after(3500 * time.Millisecond))
	require.True(t, ok)
	require.Equal(t, after(3640*time.Millisecond), wake)
	_, ok = s.Take(wake)
	require.False(t, ok)
	require.Len(t, s.Orders().Stop, 9, "for 68 idle workers")
}

// The lease with the largest part of a listing is asked back first. Those that are done say nothing
// about ranges; one that was asked back and has found none makes the coordinator wait longer.
func TestRangesAreLookedForWhereTheyAre(t *testing.T) {
	s := begin(t, Control{Limit: 12, PerLease: 1, Tolerance: dmap.Tolerance{Percentage: 100}}, dmap.Split{ID: "s"})
	back := func(l lease.Lease, at time.Duration, rest ...dmap.Split) {
		t.Helper()
		r := lease.Report{Ref: l.Ref, Reason: lease.Late, Counts: counts(10, 0), Rest: rest, Worked: time.Second}
		if len(rest) == 0 {
			r.Reason = lease.Done
		}
		require.Equal(t, Accepted, s.Report(r, after(at)))
	}
	back(take(t, s, 0), time.Second, piece(1000, 2000), piece(2000, 3000))
	large, half := take(t, s, time.Second), take(t, s, time.Second)
	require.Equal(t, piece(2000, 3000), half.Splits[0])
	back(half, 2*time.Second, piece(2100, 2500), piece(2500, 3000))
	none, done := take(t, s, 2*time.Second), take(t, s, 2*time.Second)
	back(done, 2*time.Second)
	require.Zero(t, s.Probe)
	_, ok := s.Take(after(3 * time.Second))
	require.False(t, ok)
	require.Equal(t, []int64{large.Ref.Lease}, s.Orders().Stop)
	back(none, 3*time.Second, piece(2400, 2500))
	require.Equal(t, time.Second, s.Probe)
}

// Leases on planned pieces are sized to end together: nobody is asked for a part of one.
func TestLeasesOnKnownItemsAreNotAskedBack(t *testing.T) {
	for name, c := range map[string]struct {
		items int64
		stop  []int64
	}{
		"known": {100, nil}, "unknown": {0, []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			control := Control{Limit: 4, PerLease: 1, Tolerance: dmap.Tolerance{Percentage: 100}}
			s, err := Begin(Start{Era: 1, Now: after(0), Control: control, Planned: true})
			require.NoError(t, err)
			task, ok := s.PlanNext(after(0))
			require.True(t, ok)
			two := Pieces{{Split: dmap.Split{ID: "a"}, Items: c.items}, {Split: dmap.Split{ID: "b"}, Items: c.items}}
			require.Equal(t, Accepted, s.Planned(Page{Task: task.Task, Done: true, Pieces: two}, after(0)))
			s.Call = time.Millisecond
			s.Control.Limit = 1 // one lease has both
			l := take(t, s, 0)
			s.Control.Limit = 4
			require.Len(t, l.Splits, 2)
			_, ok = s.Take(after(time.Hour))
			require.False(t, ok)
			require.Equal(t, c.stop, s.Orders().Stop)
		})
	}
}

func TestLeasesAreSizedByTime(t *testing.T) {
	for _, c := range []struct{ age, call, want time.Duration }{
		{0, 0, time.Minute},
		{time.Minute, 100 * time.Millisecond, time.Minute},
		{time.Minute, 2 * time.Second, 80 * time.Second},
		{2 * time.Hour, time.Second, 72 * time.Second},
		{100 * time.Hour, time.Second, 5 * time.Minute},
		{0, time.Minute, 5 * time.Minute},
	} {
		require.Equal(t, c.want, leaseTime(c.age, c.call), c)
	}
	require.Equal(t, 15*time.Second, tailTime(30*time.Second, 2*time.Second, 20*time.Second, time.Second, true))
	require.Equal(t, 2*time.Second, tailTime(30*time.Second, time.Second, time.Second, 10*time.Millisecond, true))
}

func TestPlannedPiecesAreJoinedAndShrinkAtTheTail(t *testing.T) {
	s, err := Begin(Start{Era: 1, Now: after(0), Control: Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, Planned: true})
	require.NoError(t, err)
	task, ok := s.PlanNext(after(0))
	require.True(t, ok)
	require.EqualValues(t, 16, task.Items, "a call may take an hour")
	page := Page{Task: task.Task, Done: true}
	for i := range 200 {
		page.Pieces = append(page.Pieces, Piece{Split: piece(64*i, 64*i+64), Items: 64})
	}
	require.Equal(t, Accepted, s.Planned(page, after(0)))
	l := take(t, s, 0)
	require.Equal(t, []dmap.Split{piece(0, 64)}, l.Splits)
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(64, 0), Worked: 64 * time.Second}, after(4*time.Second)))
	var sizes []int64
	for len(s.Queue) > 0 {
		l := take(t, s, 10*time.Second)
		require.Len(t, l.Splits, 1, "pieces that follow each other are one split")
		n := l.Splits[0].To.Offset - l.Splits[0].From.Offset
		sizes = append(sizes, n)
		r := lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(n, 0), Worked: time.Duration(n) * time.Second}
		require.Equal(t, Accepted, s.Report(r, after(10*time.Second)))
	}
	require.EqualValues(t, 960, sizes[0], "60 calls of a second in 16 slots")
	require.EqualValues(t, 64, sizes[len(sizes)-1])
	require.IsNonIncreasing(t, sizes)
	require.Less(t, len(sizes), 45)
}

func TestARateIsDividedInSteps(t *testing.T) {
	c := Control{Limit: 160, PerLease: 16, Rate: dmap.Rate{Calls: 100, Burst: 30}, Tolerance: dmap.Tolerance{Percentage: 100}}
	var pieces []dmap.Split
	for i := range 10 {
		pieces = append(pieces, piece(i, i+1))
	}
	s := begin(t, c, pieces...)
	changes, last := 0, s.Orders()
	for n := 1; n <= 10; n++ {
		l := take(t, s, 0)
		require.LessOrEqual(t, l.Rate.Calls*float64(n), 100.0)
		if o := s.Orders(); o.Rate != last.Rate {
			changes, last = changes+1, o
		}
	}
	require.LessOrEqual(t, changes, 7)
	require.GreaterOrEqual(t, last.Rate.Calls*10, 75.0)
}

func TestALowerLimitHoldsAtOnce(t *testing.T) {
	var pieces []dmap.Split
	for i := range 10 {
		pieces = append(pieces, piece(i, i+1))
	}
	s := begin(t, Control{Limit: 160, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, pieces...)
	for range 10 {
		take(t, s, 0)
	}
	c := s.Control
	c.Limit = 32
	require.NoError(t, s.Set(c, after(time.Second)))
	require.Equal(t, Orders{Grant: lease.Grant{Edition: 2, Usual: 3}, Stop: []int64{2, 3, 4, 5, 6, 7, 8, 9}}, s.Orders())
	_, ok := s.Take(after(time.Second))
	require.False(t, ok)
	require.Error(t, s.Set(Control{PerLease: 1}, after(0)))
}

func TestLongKeysTakeMoreRoom(t *testing.T) {
	long := dmap.Split{ID: "s", From: dmap.Cursor{Key: strings.Repeat("k", 1024)}, To: dmap.Cursor{Key: strings.Repeat("l", 1024)}}
	require.Equal(t, 5, weight(long))
	require.Equal(t, 1, weight(piece(1, 2)))
}

func TestOverATimeOfTheBudgetNoLeaseStarts(t *testing.T) {
	c := all
	c.Budget.Time = time.Minute
	s := begin(t, c, piece(0, 10), piece(10, 20))
	require.Equal(t, 20*time.Second, take(t, s, 40*time.Second).Budget.Time)
	wake, ok := s.Wake(after(50 * time.Second))
	require.True(t, ok)
	require.Equal(t, after(time.Minute), wake)
	_, ok = s.Take(wake)
	require.False(t, ok)
	require.Equal(t, Budget, s.End.Why)
	require.True(t, s.Orders().All)
}

// A plan far ahead makes leases long. Before the first call has returned its pieces are the
// smallest, and only few of them are planned.
func TestThePlanIsFarAheadOnceTheTimeOfACallIsKnown(t *testing.T) {
	s, err := Begin(Start{Era: 1, Now: after(0), Control: Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, Planned: true})
	require.NoError(t, err)
	at := 0
	page := func(pieces int) {
		task, ok := s.PlanNext(after(0))
		require.True(t, ok)
		p := Page{Task: task.Task}
		for range min(pieces, task.Pieces) {
			p.Pieces = append(p.Pieces, Piece{Split: piece(at, at+16), Items: 16})
			at += 16
		}
		p.Next = &p.Pieces[len(p.Pieces)-1].Split
		require.Equal(t, Accepted, s.Planned(p, after(0)))
	}
	page(65)
	l := take(t, s, 0)
	_, ok := s.PlanNext(after(0))
	require.False(t, ok, "64 pieces wait")
	require.Equal(t, Accepted, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(16, 0), Worked: time.Second}, after(time.Second)))
	page(100)
	_, ok = s.PlanNext(after(0))
	require.True(t, ok, "164 pieces wait")
	require.Equal(t, Accepted, s.PlanLost(s.Plan.Task, after(0)))
	page(92)
	_, ok = s.PlanNext(after(0))
	require.False(t, ok, "256 pieces wait")
	s.Queue = s.Queue[1:]
	_, ok = s.PlanNext(after(0))
	require.True(t, ok, "half of the room is free")
	require.Equal(t, Accepted, s.PlanLost(s.Plan.Task, after(0)))
	for i := range 9 { // they leave a small page
		s.Open = append(s.Open, Open{Lease: int64(i), Rest: 20})
	}
	_, ok = s.PlanNext(after(0))
	require.False(t, ok, "a page would be small")
}

// A lease has the number of pieces that comes closest to its time.
func TestALeaseHasTheNearestNumberOfPieces(t *testing.T) {
	for items, want := range map[int64]int{39: 1, 40: 1, 41: 1, 62: 2, 80: 2, 99: 2, 119: 3} {
		s := &State{Control: Control{Limit: 1, PerLease: 1}, Call: time.Second, Plan: Plan{Planned: true}}
		for i := range 6 {
			s.Queue = append(s.Queue, Piece{Split: piece(40*i, 40*i+40), Items: 40})
		}
		require.Equal(t, want, s.take(time.Duration(items)*time.Second), items)
	}
}
