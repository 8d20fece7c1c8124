package coord

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// A minute after the last record a few leases are taken in, unless the rest of a plan is soon done.
// Nothing wakes the host for that before another minute has passed.
func TestFewLeasesAreTakenInAfterAMinute(t *testing.T) {
	control := Control{Limit: 2, PerLease: 1, Tolerance: dmap.Tolerance{Percentage: 100}}
	for name, c := range map[string]struct {
		pieces Pieces // all that remain
		done   bool
		due    time.Duration
	}{
		"much is left":          {Pieces{{Split: piece(10, 50), Items: 40}}, true, time.Minute},
		"little is left":        {Pieces{{Split: piece(10, 20), Items: 10}}, true, 2 * time.Minute},
		"the plan goes further": {Pieces{{Split: piece(10, 20), Items: 10}}, false, time.Minute},
		"nobody knows how much": {Pieces{{Split: piece(10, 20), Items: 10}, {Split: piece(20, 90)}}, true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Begin(Start{Era: 1, Now: after(0), Control: control, Planned: true})
			require.NoError(t, err)
			task, ok := s.PlanNext(after(0))
			require.True(t, ok)
			page := Page{Task: task.Task, Done: c.done, Pieces: append(Pieces{{Split: piece(0, 10), Items: 10}}, c.pieces...)}
			page.Next = &page.Pieces[len(page.Pieces)-1].Split
			require.Equal(t, Accepted, s.Planned(page, after(0)))
			l := take(t, s, 0)
			r := lease.Report{Ref: l.Ref, Reason: lease.Done, Counts: counts(10, 0), Worked: 20 * time.Second}
			require.Equal(t, Accepted, s.Report(r, after(10*time.Second)))
			_, early := s.Absorb(after(c.due - 1))
			require.False(t, early)
			wake, ok := s.Wake(after(c.due - 1))
			require.True(t, ok)
			require.Equal(t, after(2*time.Minute), wake)
			_, due := s.Absorb(after(c.due))
			require.True(t, due)
		})
	}
}
