package dmapweb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// trialItems is how many items the trial of a redrive takes.
const trialItems = 10

// preview says what a redrive would take.
type preview struct {
	Group    string             `json:"group,omitempty"` // empty: all failures
	Possible bool               `json:"possible"`
	Why      string             `json:"why,omitempty"` // it is not
	Items    int64              `json:"items"`         // failed items that it takes
	Rest     int64              `json:"rest"`          // pending items, which a redrive without limit takes too
	Unread   bool               `json:"unread"`        // it also reads the unread part of the source
	Trial    int64              `json:"trial"`         // items of the trial
	Seconds  float64            `json:"seconds"`       // at the pace of the run so far; 0: not known
	Text     string             `json:"text"`
	Samples  []failgroup.Sample `json:"samples,omitempty"`
}

func (p *site) servePreview(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, true)
	if err != nil {
		return err
	}
	out, err := p.preview(r.Context(), f, r.URL.Query().Get("group"))
	if err != nil {
		return err
	}
	return answer(w, out)
}

// preview looks at what a redrive of a group, or of all failures, would take.
func (p *site) preview(ctx context.Context, f found, group string) (*preview, error) {
	out := &preview{Group: group}
	if f.stored == nil {
		out.Why = "Only a run in a bucket can be redriven, by sink.Bucket without Express, and the page must have that bucket."
		return out, nil
	}
	run := f.stored
	groups, err := p.stored.groups(ctx, run)
	if err != nil {
		return nil, err
	}
	known := group == ""
	for _, g := range groups.Groups {
		if g.ID == group {
			known, out.Samples = true, g.Samples
			out.Items = g.Count
		}
	}
	if !known {
		return nil, notFound("the run has no failures in that group")
	}
	if group != results.OtherGroup {
		takes, err := results.PreviewRedrive(ctx, p.opts.Bucket, run, redriveOptions(run, redriveRequest{Group: group}))
		if err != nil {
			return nil, err
		}
		out.Items, out.Rest, out.Unread = takes.Failed, takes.Pending, takes.Unread
	}
	out.Trial = min(trialItems, out.Items)
	if done := run.Stats.Succeeded + run.Stats.Failed; done > 0 {
		out.Seconds = run.Stats.Elapsed.Seconds() / float64(done) * float64(out.Items+out.Rest)
	}
	if out.Why = p.refusal(f); out.Why == "" && group == results.OtherGroup {
		out.Why = "These failures have groups of their own that are not in the index: redrive all failures."
	}
	out.Possible = out.Why == ""
	out.Text = out.describe()
	return out, nil
}

// refusal says why a run cannot be redriven now; empty: it can.
func (p *site) refusal(f found) string {
	switch {
	case f.live != nil && f.live.Live():
		return "The run works: its failures can be redriven when it has ended."
	case f.stored.Status == results.Open:
		return "The run is open: the same call resumes it. Its failures can be redriven when it has ended."
	case f.stored.Commits == 0:
		return "The run has no journal (Express), so it cannot be redriven."
	case p.opts.Redrive == nil:
		return "This page cannot run your function: the program has not set Options.Redrive. Start the program with Options.Redrive of dmap instead."
	default:
		return ""
	}
}

func (p *preview) describe() string {
	text := watch.Counted(p.Items, "failed item")
	if p.Rest > 0 {
		text += fmt.Sprintf(", and %s", watch.Counted(p.Rest, "pending item"))
	}
	if p.Unread {
		text += ", and the part of the source that was not read"
	}
	text += " would run with the code of this process"
	if p.Seconds > 0 && !p.Unread {
		text += ", in about " + watch.Duration(time.Duration(p.Seconds*float64(time.Second))) + " at the pace of the run so far"
	}
	return text + fmt.Sprintf(". A trial runs %s of the failed items and leaves everything else as it is.", watch.Count(p.Trial))
}

// redriveRequest is the body of POST /redrive.
type redriveRequest struct {
	Group string `json:"group"` // ID of a group; empty: all failures
	Trial bool   `json:"trial"` // ten items alone
}

// redrive starts a redrive by the function of the host.
func (p *site) redrive(w http.ResponseWriter, r *http.Request) error {
	var request redriveRequest
	if err := decodeBody(r, &request); err != nil {
		return err
	}
	f, err := p.find(r, true)
	if err != nil {
		return err
	}
	would, err := p.preview(r.Context(), f, request.Group)
	if err != nil {
		return err
	}
	if !would.Possible {
		return conflict(would.Why)
	}
	options := redriveOptions(f.stored, request)
	err, how := guard.Call(func() error { return p.opts.Redrive(r.Context(), f.stored.RunID, options) })
	if how != "" {
		err = errors.New("the function Options.Redrive " + string(how))
	}
	p.stored.forget(f.stored.RunID)
	p.log.LogAttrs(r.Context(), slog.LevelInfo, "a reader of the page has started a redrive", slog.String("run", f.stored.RunID),
		slog.String("group", request.Group), slog.Bool("trial", request.Trial), slog.String("from", r.RemoteAddr), slog.String("error", guard.Text(err, maxMessage)))
	if err != nil {
		return conflict(guard.Text(err, maxMessage))
	}
	return answer(w, map[string]string{"done": "the redrive has begun"})
}

// redriveOptions chooses the items of a group.
func redriveOptions(run *results.Run, request redriveRequest) dmap.Redrive {
	o := dmap.Redrive{Max: run.Redrive + 1, Canceled: true, Tolerated: true}
	if request.Trial {
		o.Limit = trialItems
	}
	if request.Group != "" {
		o.Groups = []string{request.Group}
	}
	return o
}
