package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

func begin(t *testing.T, c Control, pieces ...dmap.Split) *State {
	s, err := Begin(Start{Era: 5, Now: time.Unix(1e9, 0), Control: c, Pieces: pieces})
	require.NoError(t, err)
	return s
}

func after(d time.Duration) time.Time { return time.Unix(1e9, 0).UTC().Add(d) }

func take(t *testing.T, s *State, at time.Duration) lease.Lease {
	l, ok := s.Take(after(at))
	require.True(t, ok)
	return l
}

func counts(succeeded, failed int64) journal.Counts {
	n := succeeded + failed
	return journal.Counts{Read: n, Taken: n, Succeeded: succeeded, Failed: failed, Calls: n}
}

var all = Control{Limit: 64, PerLease: 16, Tolerance: dmap.Tolerance{Percentage: 100}}

func TestEachMessageHasOneOutcome(t *testing.T) {
	report := func(change func(*lease.Report)) func(*State, lease.Lease) Outcome {
		return func(s *State, l lease.Lease) Outcome {
			r := lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(10, 0)}
			change(&r)
			return s.Report(r, after(time.Second))
		}
	}
	same := func(*lease.Report) {}
	lost := func(s *State, l lease.Lease) Outcome { return s.Lost(l.Ref, after(time.Second)) }
	next := func(s *State, _ lease.Lease) Outcome {
		_, ok := s.Take(after(time.Minute))
		return map[bool]Outcome{true: Accepted, false: Unknown}[ok]
	}
	unfinished := func(r *lease.Report) { r.Unfinished = true }
	type event = func(*State, lease.Lease) Outcome
	for _, c := range []struct {
		name   string
		before []event
		event  event
		want   Outcome
	}{
		{"a report", nil, report(same), Accepted},
		{"twice", []event{report(same)}, report(same), Repeated},
		{"a loss after the report", []event{report(same)}, lost, Repeated},
		{"a loss", nil, lost, Accepted},
		{"two losses", []event{lost}, lost, Repeated},
		{"a report after the loss", []event{lost}, report(same), Accepted},
		{"a report after the next attempt was given", []event{lost, next}, report(same), Superseded},
		{"a loss after the next attempt was given", []event{lost, next}, lost, Superseded},
		{"a report of the next attempt", []event{lost, next}, report(func(r *lease.Report) { r.Attempt = 2 }), Accepted},
		{"of an attempt that was not given", nil, report(func(r *lease.Report) { r.Attempt = 2 }), Unknown},
		{"of attempt 0", nil, report(func(r *lease.Report) { r.Attempt = 0 }), Unknown},
		{"of a lease that was not given", nil, report(func(r *lease.Report) { r.Lease = 9 }), Unknown},
		{"of another era", nil, report(func(r *lease.Report) { r.Era = 4 }), OtherEra},
		{"unfinished", nil, report(unfinished), Accepted},
		{"unfinished twice", []event{report(unfinished)}, report(unfinished), Repeated},
		{"finished after unfinished", []event{report(unfinished)}, report(same), Repeated},
		{"unfinished and lost", []event{report(unfinished)}, lost, Repeated},
		{"the attempt after an unfinished one", []event{report(unfinished), next}, report(func(r *lease.Report) { r.Attempt = 2 }), Accepted},
		{"with a negative count", nil, report(func(r *lease.Report) { r.Counts.Failed = -1; r.Counts.Succeeded = 11 }), Invalid},
		{"with counts that do not add up", nil, report(func(r *lease.Report) { r.Counts.Failed = 1 }), Invalid},
		{"with the split of another lease", nil, report(func(r *lease.Report) { r.Rest = []dmap.Split{{ID: "b"}} }), Invalid},
		{"with more than the lease had", nil, report(func(r *lease.Report) { r.Rest = []dmap.Split{{ID: "s"}} }), Invalid},
		{"with the same range twice", nil, report(func(r *lease.Report) { r.Rest = []dmap.Split{piece(5, 9), piece(8, 10)} }), Invalid},
		{"with too many ranges", nil, report(func(r *lease.Report) {
			for i := range 33 {
				r.Rest = append(r.Rest, piece(i, i+1))
			}
		}), Invalid},
		{"without the counts of an earlier attempt", []event{report(unfinished), next}, report(func(r *lease.Report) { r.Attempt, r.Counts = 2, counts(9, 0) }), Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, all, piece(0, 100))
			l := take(t, s, 0)
			for _, event := range c.before {
				require.Equal(t, Accepted, event(s, l))
			}
			before := through(t, s)
			require.Equal(t, c.want, c.event(s, l))
			if c.want != Accepted && c.want != Invalid {
				require.Equal(t, before, through(t, s), "nothing changes")
			}
		})
	}
}

func TestALeaseThatIsLostAgainAndAgainEndsTheRun(t *testing.T) {
	s := begin(t, all, piece(0, 100))
	at := time.Duration(0)
	for range maxAttempts {
		l := take(t, s, at)
		require.Equal(t, Accepted, s.Lost(l.Ref, after(at)))
		if wake, ok := s.Wake(after(at)); ok && s.End == nil {
			at = wake.Sub(after(0))
		}
	}
	require.Equal(t, Failed, s.End.Why)
	require.Greater(t, at, time.Hour, "attempts wait")
	task, ok := s.Absorb(after(at))
	require.True(t, ok)
	require.Equal(t, []Finished{{Lease: 0, Attempts: maxAttempts, Unreported: true}}, task.Leases)
	require.Equal(t, Accepted, s.Absorbed(task.Task, Absorption{Counts: counts(7, 1)}))
	_, over := s.Over(after(at))
	require.True(t, over)
	require.EqualValues(t, 7, s.Totals().Succeeded, "the root record has what lost attempts settled")
}
