package watch

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Load is what the reasons for a slow run are found by.
type Load struct {
	Stats   dmap.Stats
	Phase   dmap.Phase
	Delta   Delta         // of the latest time
	Over    time.Duration // how long that is
	Spent   dmap.Times    // in that time
	Oldest  time.Duration // age of the oldest call; 0: not known
	P95     time.Duration // of the calls so far; 0: none has ended
	Started int64         // calls that started in that time
}

// Slowed names what limits the pace of a run now, the strongest reason first, each with what to
// change. It is empty for a run that does not call.
func Slowed(l Load) []string {
	s := l.Stats
	if s.State != dmap.StateRunning || s.Paused || l.Phase == dmap.PhaseSaving || l.Phase == dmap.PhaseStopping {
		return nil
	}
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if s.BackOff > 0 {
		add("Throttling: %s, next call in %s.", itemsWait(int64(s.Waiting)), Duration(s.BackOff))
	} else if l.Delta.Throttled > 0 {
		add("Throttling: a server refused %s in the latest %s%s.", Counted(l.Delta.Throttled, "call"), Duration(l.Over), adapted(s))
	} else if text := adapted(s); text != "" {
		add("Throttling a short time ago%s; the limits rise again by themselves.", text)
	}
	if s.ReadingPaused {
		add("Retries: the items that wait for their retry are at their bound, so no fresh item starts.")
	}
	if s.Stuck > 0 {
		add("Stuck: %s ran on after the end of their context and may hold slots.", Counted(int64(s.Stuck), "call"))
	}
	if text := rateLimit(l); text != "" {
		add("%s", text)
	}
	if text := pace(l); text != "" {
		add("%s", text)
	}
	return why
}

// rateLimit says whether Options.Rate sets the pace.
func rateLimit(l Load) string {
	r := l.Stats.Rate
	if l.Over <= 0 {
		return ""
	}
	calls := float64(l.Started) / l.Over.Seconds()
	if r.Calls > 0 && calls >= 0.9*r.Calls {
		return fmt.Sprintf("The rate limit: %s of %s calls start (Options.Rate).", PerSecond(calls), PerSecond(r.Calls))
	}
	items := float64(l.Delta.Settled) / l.Over.Seconds()
	if r.Items > 0 && items >= 0.9*r.Items {
		return fmt.Sprintf("The rate limit: %s of %s items (Options.Rate).", PerSecond(items), PerSecond(r.Items))
	}
	return ""
}

// pace says whether slots, the source, the last calls or the sinks set the pace.
func pace(l Load) string {
	s := l.Stats
	limit := s.Limit
	if s.AdaptedLimit > 0 {
		limit = s.AdaptedLimit
	}
	if all := l.Spent.Calls.Sum + l.Spent.Sinks; all > 0 && l.Spent.Sinks > all/2 {
		return fmt.Sprintf("The results: workers spend %s of their time in sinks.", Percent(float64(l.Spent.Sinks)/float64(all)))
	}
	switch {
	case limit > 0 && s.InFlight >= limit && (s.Queued > 0 || l.Phase == ""):
		text := fmt.Sprintf("The function: all %s are in use", Counted(int64(limit), "call"))
		if p50 := l.Spent.Calls.Quantile(0.5); p50 > 0 {
			text += fmt.Sprintf(", half of them take over %s", Duration(p50))
		}
		return text + ". A higher concurrency helps if its server takes more."
	case l.Phase == dmap.PhaseRead && s.Queued == 0 && s.Waiting == 0 && s.InFlight > 0 && s.InFlight < limit:
		text := fmt.Sprintf("The last %s", Counted(int64(s.InFlight), "call"))
		if l.Oldest > 0 {
			text += fmt.Sprintf(": the oldest runs %s", Duration(l.Oldest))
		}
		if l.P95 > 0 {
			text += fmt.Sprintf(", 95 %% take less than %s", Duration(l.P95))
		}
		return text + "."
	case l.Phase == "" && s.Queued == 0 && s.InFlight < limit/2:
		return fmt.Sprintf("The source: %s of %s are in use, as reading yields no more items.", Count(int64(s.InFlight)), Counted(int64(limit), "call"))
	case s.Waiting > 0 && s.InFlight == 0 && s.Queued == 0:
		return fmt.Sprintf("Retries: %s for the next attempt.", itemsWait(int64(s.Waiting)))
	default:
		return ""
	}
}
