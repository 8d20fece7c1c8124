package watch

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Status is the state of a run in one word, for a badge and for machines.
type Status string

// The states that a page tells apart.
const (
	StatusRunning   Status = "running"
	StatusReading   Status = "reading" // it runs, and reads before the first result
	StatusPaused    Status = "paused"
	StatusBackOff   Status = "backing off" // a server that throttles has asked for a pause
	StatusThrottled Status = "throttled"   // it runs, slower than its limits
	StatusStopping  Status = "stopping"
	StatusSaving    Status = "saving"
	StatusOpen      Status = "open"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCanceled  Status = "canceled"
)

// Tone says how a state looks, for a color. Never the color alone tells a state.
type Tone string

// The tones.
const (
	ToneWork Tone = "work" // it works
	ToneWait Tone = "wait" // it works slower than asked, or waits
	ToneGood Tone = "good"
	ToneBad  Tone = "bad"
)

// Verdict says in which state a run is, why, and what to do next.
type Verdict struct {
	Status Status `json:"status"`
	Tone   Tone   `json:"tone"`
	Text   string `json:"text"`            // one sentence: the state and why
	Cause  string `json:"cause,omitempty"` // the error of the run, as it was returned
	Next   string `json:"next,omitempty"`  // one sentence: what to do; empty: nothing
}

// Facts is what a verdict needs.
type Facts struct {
	Stats dmap.Stats
	Phase dmap.Phase // the latest; empty: it reads and calls
	Cause string     // of PhaseStopping
	Err   string     // of a run that is open or has ended
	// Stored says that the facts come from a bucket: a process may work on the run.
	Stored bool
	// Throttling says that a server throttles now.
	Throttling bool
}

// Judge says in which state a run is.
func Judge(f Facts) Verdict {
	switch f.Stats.State {
	case dmap.StateOpen:
		return judgeOpen(f)
	case dmap.StateEnded:
		return judgeEnded(f)
	default:
		return judgeRunning(f)
	}
}

func judgeRunning(f Facts) Verdict {
	s := f.Stats
	switch {
	case f.Phase == dmap.PhaseSaving:
		return Verdict{StatusSaving, ToneWork, "Saving results: no call runs any more.", f.Cause, ""}
	case f.Phase == dmap.PhaseStopping:
		return Verdict{StatusStopping, ToneWait, fmt.Sprintf("Stopping: %s may still return, no other starts.", Counted(int64(s.InFlight), "call")), f.Cause, ""}
	case s.Paused:
		return Verdict{StatusPaused, ToneWait, fmt.Sprintf("Paused: no call starts; %s in flight.", Counted(int64(s.InFlight), "call")), "", "Resume it to continue."}
	case s.BackOff > 0:
		return Verdict{StatusBackOff, ToneWait, fmt.Sprintf("Backing off: a server throttles. %s, the next call starts in %s.",
			itemsWait(int64(s.Waiting)), Duration(s.BackOff)), "", ""}
	case f.Throttling || s.AdaptedLimit > 0 || s.AdaptedRate > 0:
		return Verdict{StatusThrottled, ToneWait, "Running slower than its limits: a server throttles" + adapted(s) + ".", "", ""}
	case settled(s) == 0 && s.InFlight == 0 && s.Waiting == 0:
		return Verdict{StatusReading, ToneWork, "Reading: no call has started yet.", "", ""}
	default:
		return Verdict{StatusRunning, ToneWork, "Running.", "", ""}
	}
}

func itemsWait(n int64) string {
	if n == 1 {
		return "1 item waits"
	}
	return Count(n) + " items wait"
}

// adapted says how far throttling has lowered the limits.
func adapted(s dmap.Stats) string {
	var lowered []string
	if s.AdaptedLimit > 0 {
		lowered = append(lowered, fmt.Sprintf("%s of %s at once", Count(int64(s.AdaptedLimit)), Counted(int64(s.Limit), "call")))
	}
	if s.AdaptedRate > 0 {
		lowered = append(lowered, PerSecond(s.AdaptedRate)+" calls start")
	}
	if len(lowered) == 0 {
		return ""
	}
	return "; now " + strings.Join(lowered, ", ")
}

// judgeOpen explains each Stats.Reason of an open run.
func judgeOpen(f Facts) Verdict {
	v := Verdict{Status: StatusOpen, Tone: ToneWait, Cause: f.Err, Next: "The same call resumes it: start the program again with run ID " + f.Stats.RunID + "."}
	again := v.Next
	bad := func(text, next string) Verdict {
		v.Tone, v.Text, v.Next = ToneBad, text, next
		return v
	}
	s := f.Stats
	switch s.Reason {
	case "suspended":
		v.Text = "Open: the run was suspended, all settled items are saved."
	case "context":
		v.Text = "Open: the context of the caller ended, such as by a signal or a deadline."
	case "budget":
		v.Text = "Open: the budget of this call is used up."
		v.Next = again + " It gets a fresh budget."
	case "total budget":
		return bad("Open: the total budget is used up.", "Start the program again with a larger Options.TotalBudget.")
	case "held":
		v.Text = fmt.Sprintf("Open: %s for a decision, nothing else is left to do.", itemsWait(s.Held))
		v.Next = "Approve or reject them (results.Approve, results.Reject), then start the program again."
	case "source":
		return bad("Open: the source could not be read further.", "Remove the cause below. "+again)
	case "sink":
		return bad("Open: results could not be written.", "Remove the cause below. "+again)
	case "fenced":
		v.Text, v.Next = "Open: another process has taken the run over.", "Nothing: the other process works on it."
	case "changed":
		return bad("Open: the source or the options differ from those that the run was begun with.",
			"Start it with the old Version and source, or end it with sink.End and redrive it.")
	case "internal":
		return bad("Open: an internal error of dmap.", "Keep the run folder and report the cause below.")
	case "":
		if f.Stored {
			v.Text = "Open: a process works on it, or its process died without a last word (crash, kill -9, lost machine)."
			v.Next = "If no process works on it, start the program again with run ID " + s.RunID + ": it resumes after the last commit."
			return v
		}
		v.Text = "Open."
	default:
		v.Text = "Open: " + s.Reason + "."
	}
	return v
}

// judgeEnded explains each Stats.Reason of a run that has ended.
func judgeEnded(f Facts) Verdict {
	s := f.Stats
	v := Verdict{Status: StatusFailed, Tone: ToneBad, Cause: f.Err, Next: "Look at the failures below, then redrive them: Options.Redrive."}
	switch s.Reason {
	case "succeeded":
		return succeeded(v, s, "Succeeded"+withFailures(s)+".")
	case "max items":
		return succeeded(v, s, "Succeeded"+withFailures(s)+": MaxItems ended it before the source did.")
	case "enough":
		return succeeded(v, s, "Succeeded"+withFailures(s)+": Enough items have succeeded.")
	case "tolerance":
		v.Text = fmt.Sprintf("Failed: more items failed than tolerated; %s of %s.", Count(s.Failed), Counted(s.Read, "item"))
		if s.BrokenObjects > 0 && s.Failed == 0 {
			v.Text = fmt.Sprintf("Failed: %s broke off, more than tolerated.", Counted(s.BrokenObjects, "object"))
		}
	case "canceled":
		v.Status, v.Text = StatusCanceled, "Canceled by Run.Cancel."
		v.Next = "To continue it, start the program with Redrive{Max: 1, Canceled: true}."
	case "end":
		v.Status, v.Text = StatusCanceled, "Ended by sink.End while it was open."
		v.Next = "To continue it, start the program with Redrive{Max: 1, Canceled: true}."
	case "trial":
		v.Text = fmt.Sprintf("The trial has ended: %s still pending or unread.", Counted(s.Pending, "item"))
		v.Next = "Redrive it without Limit to run the rest."
	case "":
		if f.Err == "" {
			return succeeded(v, s, "Ended"+withFailures(s)+".")
		}
		v.Text = "Failed."
	default:
		v.Text, v.Next = "Failed: "+endedBy(s.Reason)+".", "Remove the cause below, then start it again with a new run ID: this run has no journal to resume from."
	}
	return v
}

func succeeded(v Verdict, s dmap.Stats, text string) Verdict {
	v.Status, v.Tone, v.Text, v.Next = StatusSucceeded, ToneGood, text, ""
	if s.Failed > 0 {
		v.Next = "To run the tolerated failures again: Redrive{Max: 1, Tolerated: true}."
	}
	return v
}

func withFailures(s dmap.Stats) string {
	if s.Failed == 0 {
		return ""
	}
	return ", with " + Counted(s.Failed, "tolerated failure")
}

// endedBy explains a reason of the open states for a run without a journal.
func endedBy(reason string) string {
	switch reason {
	case "source":
		return "the source could not be read further"
	case "sink":
		return "results could not be written"
	case "context":
		return "the context of the caller ended"
	case "suspended":
		return "the run was suspended"
	case "budget", "total budget":
		return "the " + reason + " is used up"
	case "internal":
		return "an internal error of dmap"
	default:
		return reason
	}
}

func settled(s dmap.Stats) int64 { return s.Succeeded + s.Failed + s.Skipped }

// Fuel is the tolerance as a gauge.
type Fuel struct {
	Text  string  `json:"text"`            // "41 of 1,000 tolerated failures used"
	Share float64 `json:"share"`           // of the tolerance that is used, 0 to 1
	Judge string  `json:"judge,omitempty"` // when a percentage is judged, if not yet
	// Unknown says that nobody knows the tolerance of a stored run.
	Unknown bool `json:"unknown,omitempty"`
}

// Gauge says how much of a tolerance the failures use. of is the number of items that a percentage
// is of: the settled ones, all when all are read.
func Gauge(t dmap.Tolerance, failed, of int64, readAll bool) Fuel {
	switch {
	case t.Count == 0 && t.Percentage == 0:
		return Fuel{Text: fmt.Sprintf("%s; none is tolerated", Counted(failed, "failure")), Share: min(1, float64(failed))}
	case t.Percentage == 0:
		return Fuel{Text: fmt.Sprintf("%s of %s used", Count(failed), Counted(t.Count, "tolerated failure")), Share: used(float64(failed), float64(t.Count))}
	}
	got := 0.0
	if of > 0 {
		got = float64(failed) / float64(of)
	}
	f := Fuel{
		Text:  fmt.Sprintf("%s (%s) failed of %v tolerated", Counted(failed, "item"), Percent(got), t),
		Share: used(got*100, t.Percentage),
	}
	if t.Count > 0 {
		f.Share = max(f.Share, used(float64(failed), float64(t.Count)))
	}
	least := t.MinItems
	if least == 0 {
		least = 1000
	}
	if !readAll && of < least {
		f.Judge = fmt.Sprintf("the percentage is judged from %s on", Counted(least, "item"))
	}
	return f
}

// StoredFuel is the gauge of a run whose state was read from its bucket. A nil tolerance: it is not
// known.
func StoredFuel(t *dmap.Tolerance, s dmap.Stats, readAll bool) Fuel {
	if t == nil {
		return Fuel{Text: Counted(s.Failed, "failure"), Unknown: true}
	}
	return Gauge(*t, s.Failed, judged(s, readAll), readAll)
}

// judged is the number of items that a percentage of failures is of: skipped ones do not count.
func judged(s dmap.Stats, readAll bool) int64 {
	if readAll {
		return s.Read - s.Skipped
	}
	return s.Succeeded + s.Failed
}

func used(n, of float64) float64 { return min(1, max(0, n/of)) }

// since is how long ago something was, never negative.
func since(now, then time.Time) time.Duration { return max(0, now.Sub(then)) }
