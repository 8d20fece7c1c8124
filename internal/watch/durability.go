package watch

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Durability says what a crash of the process would cost now.
type Durability struct {
	Journal  bool      `json:"journal"`           // a commit was seen, or the run was resumed
	Last     time.Time `json:"last,omitzero"`     // the latest commit of this process
	Number   int64     `json:"number,omitempty"`  // of its record
	Commits  int64     `json:"commits,omitempty"` // of this process
	RunAgain int64     `json:"runAgain"`          // items that a kill -9 at the reading would run again
	Text     string    `json:"text"`              // one or two sentences
}

// saved is what the commits of this process have settled.
type saved struct {
	base  int64 // items that were settled when this process began
	count int64 // items that its commits settle
	last  time.Time
	n     int64 // commits
	index int64 // the number of the latest one
}

func (s *saved) add(now time.Time, e dmap.CommitEvent) {
	s.n++
	s.last, s.index = now, max(s.index, e.Number)
	s.count += e.Succeeded + e.Failed + e.Skipped + e.Held
}

// durability tells what a crash would have cost at a reading: stats are of the reading, committed
// is saved.count right before it. Commits that came later settle items that stats do not count yet.
// Without a commit, only resumed tells that the run has a journal.
func (s *saved) durability(now time.Time, stats dmap.Stats, committed int64, resumed bool) Durability {
	d := Durability{Journal: s.n > 0 || resumed, Last: s.last, Number: s.index, Commits: s.n}
	inCalls := max(0, stats.Pending-int64(stats.Queued)-int64(stats.Waiting))
	d.RunAgain = max(0, settled(stats)+stats.Held-s.base-committed) + inCalls
	if stats.State != dmap.StateRunning {
		d.RunAgain = 0
		d.Text = fmt.Sprintf("%s in this process; nothing is in flight.", Counted(s.n, "commit"))
		if s.n == 0 {
			d.Text = "No commit was made in this process."
		}
		return d
	}
	switch {
	case s.n > 0:
		d.Text = fmt.Sprintf("Last commit %s ago. After kill -9, %s would run again.", Duration(age(now, s.last)), Counted(d.RunAgain, "item"))
	case resumed:
		d.Text = fmt.Sprintf("No commit in this process yet. After kill -9, %s would run again.", Counted(d.RunAgain, "item"))
	default:
		d.Text = "No commit yet: a run without a journal (no sink.Bucket, or Express) starts anew after a crash."
	}
	return d
}

// age is the time since then, in tenths of a second.
func age(now, then time.Time) time.Duration { return since(now, then).Round(100 * time.Millisecond) }
