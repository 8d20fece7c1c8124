package leaserun

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// Bounds of a beat: the host of a run has those of all its leases in one message.
const (
	oldestCalls = 3
	longestKey  = 512 // bytes of the key of a call; a call with a longer one is left out
)

// Beat says how far the attempt has come; ok is false before it has started, and after its end.
func (c *Control) Beat() (b lease.Beat, ok bool) {
	c.mu.Lock()
	run, request, hidden, failed := c.run, c.request, c.hidden, c.failed
	b.Ref, b.Saved = c.ref, c.saved // before Stats: no more is saved than settled
	c.mu.Unlock()
	if run == nil {
		return lease.Beat{}, false
	}
	left, ended := request.Left()
	b.Stats, b.Times, b.Written, b.ReadAll = run.Stats(), run.Times(), run.Written(), ended && left.Nothing
	b.Stats.RunID = "" // the host knows it
	if !hidden {
		b.Oldest = calls(run.InFlight(oldestCalls))
	}
	if failed != nil {
		b.Failures = lease.GroupsOf(failed(), lease.BeatFailures)
	}
	return b, true
}

func calls(list []dmap.InFlightCall) (out []lease.Call) {
	for _, c := range list {
		if len(c.Key) > longestKey || len(c.Split) > longestKey {
			continue
		}
		out = append(out, lease.Call{
			Split: c.Split, Key: c.Key, Offset: c.Offset, Index: c.Index, Attempt: c.Attempt, Items: c.Items, Age: c.Age,
		})
	}
	return out
}

// Saved records that the lanes of the lease have settled more items.
func (c *Control) Saved(n journal.Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved = c.saved.Plus(lease.Tally{Succeeded: n.Succeeded, Failed: n.NowFailed(), Skipped: n.Skipped, Held: n.NowHeld()})
}

// Failed sets the function that returns the failures that the lanes of the lease have, in groups.
// It may be called from any goroutine while the attempt runs.
func (c *Control) Failed(groups func() []failgroup.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = groups
}
