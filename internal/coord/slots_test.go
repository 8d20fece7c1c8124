package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// obey has the leases of the model follow the orders at once.
func (w *world) obey() {
	anew := w.s.Grant.Edition != w.edition
	w.edition = w.s.Grant.Edition
	for _, l := range w.held {
		if g := w.given[l.Lease]; anew && !g.shed {
			g.slots, g.raised = w.s.Grant.Usual, 0
		}
	}
	for _, r := range w.s.Orders().Raised {
		if g := w.given[r.Lease]; g.state == "held" && g.attempt == r.Attempt && !g.shed {
			g.slots += r.Slots - g.raised
			g.raised = r.Slots
		}
	}
}

// move moves slots of a lease that reports to others. Some reports are of an earlier edition, and
// name leases that are gone.
func (w *world) move(r *lease.Report) {
	g := w.given[r.Lease]
	r.Edition = w.edition - int64(w.random.IntN(5)/4)
	for _, l := range w.held {
		to := w.given[l.Lease]
		n := w.random.IntN(g.slots + 1)
		if l.Lease == r.Lease || n == 0 || w.random.IntN(3) == 0 {
			continue
		}
		r.Moved = append(r.Moved, lease.Moved{Lease: l.Lease, Attempt: l.Attempt, Slots: n})
		if g.slots -= n; r.Edition == w.edition {
			to.slots += n
		}
	}
	for _, old := range w.old {
		if other := w.given[old.Lease]; g.slots > 0 && w.random.IntN(20) == 0 && (other.state != "held" || other.attempt != old.Attempt) {
			r.Moved = append(r.Moved, lease.Moved{Lease: old.Lease, Attempt: old.Attempt, Slots: g.slots})
			g.slots = 0
		}
	}
	g.slots = 0
}

// overtake has the report of a lease that has got slots of another one come before that of the
// other.
func (w *world) overtake() {
	first, second := w.held[0], w.held[1]
	one, two := w.report(first, w.work(first, 50)), w.report(second, w.work(second, 50))
	w.move(&one)
	w.held[0], w.held[1] = second, first
	w.drop(0)
	w.move(&two)
	w.old = append(w.old, two)
	w.deliver(two)
	w.take()
	w.drop(0)
	w.old = append(w.old, one)
	w.deliver(one)
}

// checkSlots demands that leases together have no more slots than the limit, unless there are more
// leases than slots after an edit.
func (w *world) checkSlots() {
	all := 0
	for _, l := range w.held {
		g := w.given[l.Lease]
		all += g.slots
		require.LessOrEqual(w.t, g.slots, w.s.Open[w.s.find(l.Lease)].Slots, "the coordinator knows of them")
	}
	if w.s.Grant.Usual > 1 || !w.edited {
		require.LessOrEqual(w.t, all, w.s.Control.Limit)
	}
}

func TestSlotsThatALeaseHasMovedCountForOthers(t *testing.T) {
	s := begin(t, Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, piece(0, 100), piece(100, 200), piece(200, 300))
	first, second := take(t, s, 0), take(t, s, 0)
	report := lease.Report{
		Ref: first.Ref, Reason: lease.Done, Counts: counts(100, 0), Edition: first.Grant.Edition,
		Moved: []lease.Moved{{Lease: second.Ref.Lease, Attempt: 1, Slots: 13}},
	}
	require.Equal(t, Accepted, s.Report(report, after(time.Second)))
	third := take(t, s, time.Second)
	require.Equal(t, 3, third.Slots, "it begins with those that are free")
	_, ok := s.Take(after(time.Second))
	require.False(t, ok)

	require.Equal(t, Accepted, s.Report(lease.Report{Ref: second.Ref, Reason: lease.Done, Counts: counts(100, 0)}, after(time.Minute)))
	_, ok = s.Take(after(time.Minute))
	require.False(t, ok, "nothing is unread")
	require.Equal(t, []lease.Raised{{Lease: third.Ref.Lease, Attempt: 1, Slots: 13}}, s.Orders().Raised, "and so it gets more")
}

// A later edition takes no slots from a lease: its calls would run on while others use them. Leases
// with few slots get free ones, as if it had begun.
func TestNoLaterEditionTakesSlotsFromALease(t *testing.T) {
	for _, c := range []struct {
		first, second int   // slots of two leases
		edition       int64 // after that of the edit
		want          []int // slots
	}{
		{1, 1, 1, []int{8, 8}},
		{8, 1, 1, []int{8, 8}},
		{9, 1, 0, []int{9, 7}}, // it has those of a third one
		{9, 5, 0, []int{9, 5}},
	} {
		control := Control{Limit: 48, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}
		s := begin(t, control, piece(0, 100), piece(100, 200), piece(200, 300))
		take(t, s, 0)
		take(t, s, 0)
		last := take(t, s, 0)
		control.Limit = 16
		require.NoError(t, s.Set(control, after(time.Second)))
		edit := s.Grant.Edition
		require.Equal(t, Accepted, s.Report(lease.Report{Ref: last.Ref, Reason: lease.Done, Counts: counts(100, 0)}, after(2*time.Second)))
		s.Grant.Usual, s.Open[0].Slots, s.Open[1].Slots = 2, c.first, c.second
		_, ok := s.Take(after(2 * time.Second))
		require.False(t, ok)
		require.Equal(t, c.edition, s.Grant.Edition-edit, c)
		require.Equal(t, c.want, []int{s.Open[0].Slots, s.Open[1].Slots}, c)
	}
}

// Orders cost as much as a lease, and reach it after a second.
func TestFewFreeSlotsStayFree(t *testing.T) {
	for _, c := range []struct {
		limit, leases int
		call          time.Duration
		want          int
	}{
		{32, 2, 0, 8},                // nobody knows how long calls take
		{32, 2, time.Minute, 8},      // half of the usual number
		{32, 2, time.Millisecond, 8}, // an eighth of all is less
		{320, 20, time.Millisecond, 32},
		{160, 10, time.Millisecond, 20},
		{3200, 200, time.Millisecond, 32},
		{3200, 200, time.Second, 8},
	} {
		control := Control{Limit: c.limit, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}
		s := begin(t, control, piece(0, 100))
		s.Grant.Usual, s.Call = c.limit/c.leases, c.call
		require.Equal(t, c.want, s.leastFree(), c)
	}
}

func TestMovedSlotsAreFreeIfTheLeaseThatHadThemIsGone(t *testing.T) {
	for name, m := range map[string]lease.Moved{
		"never given": {Lease: 77, Attempt: 1, Slots: 16}, "another attempt": {Lease: 1, Attempt: 2, Slots: 16}, "itself": {Attempt: 1, Slots: 16},
	} {
		s := begin(t, Control{Limit: 32, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}, piece(0, 100), piece(100, 200), piece(200, 300))
		l := take(t, s, 0)
		take(t, s, 0)
		report := lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(100, 0), Edition: l.Grant.Edition, Moved: []lease.Moved{m}}
		require.Equal(t, Accepted, s.Report(report, after(time.Second)), name)
		require.Equal(t, 16, take(t, s, time.Second).Slots, name)
	}
}

func TestMovesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, moved := range map[string][]lease.Moved{
		"a negative number": {{Lease: 1, Attempt: 1, Slots: -1}}, "too many slots": {{Lease: 1, Attempt: 1, Slots: MaxLimit + 1}},
		"too many leases": make([]lease.Moved, lease.MostMoved+1),
	} {
		s := begin(t, all, piece(0, 100))
		l := take(t, s, 0)
		require.Equal(t, Invalid, s.Report(lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(100, 0), Moved: moved}, after(0)), name)
	}
}

// An edit of the limit ends what leases had of each other.
func TestAnEditOfTheLimitSharesItEvenly(t *testing.T) {
	c := Control{Limit: 48, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}
	s := begin(t, c, piece(0, 100), piece(100, 200), piece(200, 300))
	first, second := take(t, s, 0), take(t, s, 0)
	take(t, s, 0)
	report := lease.Report{Ref: first.Ref, Reason: lease.Done, Counts: counts(100, 0), Edition: 1, Moved: []lease.Moved{{Lease: second.Ref.Lease, Attempt: 1, Slots: 10}}}
	require.Equal(t, Accepted, s.Report(report, after(0)))
	c.Limit = 24
	require.NoError(t, s.Set(c, after(0)))
	require.Equal(t, lease.Grant{Edition: 2, Usual: 12}, s.Orders().Grant)
	require.Zero(t, s.free())
	c.Limit = 32
	require.NoError(t, s.Set(c, after(0)))
	require.Equal(t, lease.Grant{Edition: 3, Usual: 16}, s.Orders().Grant)
	require.Zero(t, s.free())
	report = lease.Report{Ref: second.Ref, Reason: lease.Done, Counts: counts(100, 0), Edition: 2, Moved: []lease.Moved{{Lease: 2, Attempt: 1, Slots: 10}}}
	require.Equal(t, Accepted, s.Report(report, after(0)))
	require.Equal(t, 16, s.free(), "what they had before does not count")
}
