package dmapweb

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
)

// change is the body of POST /control.
type change struct {
	// Action is "pause", "resume", "suspend", "cancel", "concurrency", "rate" or "tolerance".
	Action      string          `json:"action"`
	Concurrency int             `json:"concurrency,omitempty"`
	Rate        *dmap.Rate      `json:"rate,omitempty"`
	Tolerance   *dmap.Tolerance `json:"tolerance,omitempty"`
}

// errCanceledHere is the cause of a run that a reader of the page has canceled.
var errCanceledHere = errors.New("canceled on the page")

// control changes a run of this process. The engine reports each edit to the observers, so that it
// is a mark.
func (p *site) control(w http.ResponseWriter, r *http.Request) error {
	var c change
	if err := decodeBody(r, &c); err != nil {
		return err
	}
	live := p.set.Find(r.PathValue("run"))
	if live == nil {
		return notFound("no run of this process has that ID: only the process that works on a run can change it")
	}
	run := live.Run()
	if run == nil || !live.Live() {
		return conflict("the run has ended in this process: nothing can be changed")
	}
	text, err := c.apply(run)
	if err != nil {
		return badRequest(guard.Text(err, maxMessage))
	}
	if c.Action == "suspend" || c.Action == "cancel" { // the others are events of the engine
		live.Mark(watch.MarkEdit, text+" on the page")
	}
	p.log.LogAttrs(r.Context(), slog.LevelInfo, "a reader of the page has changed a run",
		slog.String("run", live.Spec().RunID), slog.String("change", text), slog.String("from", r.RemoteAddr))
	return answer(w, map[string]string{"done": text})
}

// apply changes the run and says how.
func (c *change) apply(run dmap.LiveRun) (string, error) {
	switch c.Action {
	case "pause":
		run.Pause()
		return "paused", nil
	case "resume":
		run.Resume()
		return "resumed", nil
	case "suspend":
		run.Suspend()
		return "suspended", nil
	case "cancel":
		run.Cancel(errCanceledHere)
		return "canceled", nil
	case "concurrency":
		return fmt.Sprintf("concurrency: %d calls", c.Concurrency), run.SetMaxConcurrency(c.Concurrency)
	case "rate":
		if c.Rate == nil {
			return "", errors.New("rate: want an object with calls, items and burst")
		}
		return "rate: " + c.Rate.String(), run.SetRate(*c.Rate)
	case "tolerance":
		if c.Tolerance == nil {
			return "", errors.New("tolerance: want an object with count, percentage and minItems")
		}
		return fmt.Sprintf("tolerance: %v", *c.Tolerance), run.SetTolerance(*c.Tolerance)
	default:
		return "", fmt.Errorf("action %q: want pause, resume, suspend, cancel, concurrency, rate or tolerance", clip(c.Action, 40))
	}
}
