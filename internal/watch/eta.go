package watch

import (
	"fmt"
	"math"
	"time"
)

// Work is what the estimate of the end needs.
type Work struct {
	Now  time.Time
	Left int64 // items that are not settled, of those known
	// Open says that the source is still read and nobody has given a total, so Left will grow.
	Open bool
	// Rates are settled items a second over the latest times, from short to long ones. Rates[0] is
	// of the shortest.
	Rates []float64
	// Tail is how long the last calls may take: the p95 of a call, or more if one runs longer.
	Tail time.Duration
	// Halted says why nothing is called now, such as "the run is paused". Empty: calls start.
	Halted string
}

// ETA is the estimate of the end of a run.
type ETA struct {
	Known bool   `json:"known"`
	Why   string `json:"why,omitempty"` // it is not known: the reason, one sentence
	// About is the expected end, Early and Late the range by the fastest and the slowest rate of
	// the latest times. Late is zero if one of these rates is 0.
	About time.Time `json:"about,omitzero"`
	Early time.Time `json:"early,omitzero"`
	Late  time.Time `json:"late,omitzero"`
	Left  float64   `json:"left,omitempty"` // seconds until About
}

// maxLeft bounds the estimate: no run is expected to take longer.
const maxLeft = 1000 * 24 * time.Hour

// Estimate predicts the end from the latest rates. It predicts nothing rather than a wrong time.
func Estimate(w Work) ETA {
	switch {
	case w.Halted != "":
		return ETA{Why: "No estimate: " + w.Halted + "."}
	case w.Open:
		return ETA{Why: "No estimate while the source is still read: the number of items is not known yet."}
	case w.Left <= 0:
		return ETA{Known: true, About: w.Now.Add(w.Tail), Early: w.Now, Late: w.Now.Add(w.Tail), Left: w.Tail.Seconds()}
	case len(w.Rates) == 0:
		return ETA{Why: "No estimate yet: it needs some seconds of work."}
	}
	fastest, slowest := 0.0, math.Inf(1)
	for _, r := range w.Rates {
		fastest, slowest = max(fastest, r), min(slowest, r)
	}
	// The second shortest time: the shortest one is noisy, the longest remembers old limits.
	usual := w.Rates[min(1, len(w.Rates)-1)]
	if usual <= 0 {
		usual = w.Rates[len(w.Rates)-1]
	}
	if !(usual > 0) {
		return ETA{Why: fmt.Sprintf("No estimate: no item has settled lately, %s left.", Counted(w.Left, "item"))}
	}
	about, early := timeFor(w.Left, usual), timeFor(w.Left, fastest)
	e := ETA{Known: true, About: w.Now.Add(about + w.Tail), Early: w.Now.Add(early), Left: (about + w.Tail).Seconds()}
	if slowest > 0 {
		e.Late = w.Now.Add(timeFor(w.Left, slowest) + w.Tail)
	}
	return e
}

func timeFor(items int64, perSecond float64) time.Duration {
	seconds := float64(items) / perSecond
	if !(seconds < maxLeft.Seconds()) {
		return maxLeft
	}
	return time.Duration(seconds * float64(time.Second))
}

// Text is the estimate in words, in the time zone of now: "done about 14:32 (14:28 to 14:41)".
func (e ETA) Text(now time.Time) string {
	if !e.Known {
		return e.Why
	}
	form := clockForm(e, now)
	about := e.About.In(now.Location()).Format(form)
	text := "done about " + about
	early := e.Early.In(now.Location()).Format(form)
	switch {
	case e.Late.IsZero():
		return text + ", or much later: some of the latest seconds settled nothing"
	case early == about && e.Late.In(now.Location()).Format(form) == about:
		return text
	}
	return text + " (" + early + " to " + e.Late.In(now.Location()).Format(form) + ")"
}

// clockForm shows seconds for an end that is near, and the day if a time of the range is not of
// today.
func clockForm(e ETA, now time.Time) string {
	today := now.Format(time.DateOnly)
	for _, t := range []time.Time{e.About, e.Early, e.Late} {
		if !t.IsZero() && t.In(now.Location()).Format(time.DateOnly) != today {
			return "Jan 2 15:04"
		}
	}
	if e.Left < 600 {
		return "15:04:05"
	}
	return "15:04"
}
