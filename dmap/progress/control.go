package progress

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/watch"
)

const (
	noteTime  = 3 * time.Second
	drainTime = 5 * time.Second // within which q is pressed again
	maxCalls  = 10_000          // at once
)

// press does what a key says, with the run that is shown.
func (d *Display) press(key byte) {
	d.mu.Lock()
	var c *watch.Collector
	if n := len(d.runs); n > 0 {
		c = d.runs[n-1]
	}
	drain := key == 'q' && d.note == drainNote && time.Now().Before(d.noteEnds)
	d.mu.Unlock()
	if c == nil || c.Run() == nil {
		return
	}
	if key == 'q' {
		if !drain {
			d.say(drainNote, drainTime)
			return
		}
		c.Run().Suspend()
		d.say("the run is suspended: its calls in flight return", noteTime)
		return
	}
	if text := steer(c.Run(), key); text != "" {
		d.say(text, noteTime)
	}
}

const drainNote = "press q again to suspend the run: calls in flight return, and the same run ID resumes it"

// steer changes a run by a key, and says how. Other keys do nothing.
func steer(r dmap.LiveRun, key byte) string {
	s := r.Stats()
	switch key {
	case ' ', 'p':
		if s.Paused {
			r.Resume()
			return "resumed"
		}
		r.Pause()
		return "paused: calls in flight return, no other starts"
	case '+', '=':
		return limitCalls(r, min(maxCalls, s.Limit+step(s.Limit)))
	case '-', '_':
		return limitCalls(r, max(1, s.Limit-step(s.Limit)))
	default:
		return ""
	}
}

// step is a tenth of the calls, at least one.
func step(limit int) int { return max(1, limit/10) }

func limitCalls(r dmap.LiveRun, n int) string {
	if err := r.SetMaxConcurrency(n); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("at most %s at once", watch.Counted(int64(n), "call"))
}

// say shows a note about the last key for some time.
func (d *Display) say(text string, lasts time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note, d.noteEnds = text, time.Now().Add(lasts)
}

// hint is the note, and what the keys are. The caller holds mu.
func (d *Display) hint() (note, keys string) {
	if !time.Now().Before(d.noteEnds) {
		d.note = ""
	}
	if d.listens {
		keys = "keys: space pause, + - calls, q drain"
	}
	return d.note, keys
}
