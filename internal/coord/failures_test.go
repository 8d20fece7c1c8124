package coord

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

func TestTheFailuresOfARunAreThoseThatItsRecordsHave(t *testing.T) {
	groups := func(n int64) lease.Groups { return lease.Groups{{ID: "a", Message: "no rate", Count: n}} }
	s := begin(t, all, piece(0, 100), piece(1, 100))
	s.Failures = groups(5) // of the run before
	first, second := take(t, s, 0), take(t, s, 0)
	report := func(l lease.Lease, effort lease.Effort) {
		r := lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(90, 10), Worked: 7 * time.Second, Spent: effort}
		require.Equal(t, Accepted, s.Report(r, after(time.Second)))
	}
	report(first, lease.Effort{Calls: 100, Written: 50})
	told := s.Summary()
	require.Equal(t, groups(5), told.Failures, "no record has taken the lease in")
	require.Equal(t, journal.Leases{{From: first.Lease, To: first.Lease}}, told.Finished)
	require.Equal(t, lease.Effort{Calls: 100, Written: 50, Called: int64(7 * time.Second)}, told.Spent)
	report(second, lease.Effort{Calls: 1, Written: -50})
	require.Equal(t, lease.Effort{Calls: 101, Written: 50, Called: int64(14 * time.Second)}, s.Summary().Spent)
	task, ok := s.Absorb(after(2 * time.Minute))
	require.True(t, ok)
	require.Equal(t, Accepted, s.Absorbed(task.Task, Absorption{Failures: groups(25)}))
	told = s.Summary()
	require.Equal(t, groups(25), told.Failures, "of the whole run")
	require.Empty(t, told.Finished)
}

func TestFailuresThatCannotBeRightAreLeftOut(t *testing.T) {
	bad := lease.Groups{{ID: "a", Message: strings.Repeat("x", 5000), Count: 1}}
	require.Nil(t, known(bad))
	s, err := Begin(Start{Now: after(0), Control: Control{Limit: 1, PerLease: 1}, Failures: bad})
	require.NoError(t, err)
	require.Nil(t, s.Failures)
	require.NotNil(t, known(lease.Groups{dmap.FailureGroup{ID: "a"}}))
}
