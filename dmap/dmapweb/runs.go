package dmapweb

import (
	"context"
	"net/http"
	"time"
)

// list is the answer of /api/runs.
type list struct {
	Runs   []line    `json:"runs"`
	At     time.Time `json:"at"`              // by the clock of the server
	After  string    `json:"after,omitempty"` // the next page of the bucket; empty: this is the last
	Bucket bool      `json:"bucket"`          // the page has a bucket
	Empty  string    `json:"empty,omitempty"` // there is no run: what to do
}

func (p *site) serveRuns(w http.ResponseWriter, r *http.Request) error {
	found, err := p.listRuns(r.Context(), r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	return answer(w, found)
}

// listRuns lists the runs of this process, then those of the bucket.
func (p *site) listRuns(ctx context.Context, after string) (list, error) {
	out := list{Runs: []line{}, At: time.Now(), Bucket: p.stored != nil}
	here := map[string]bool{}
	for _, c := range p.set.Runs() {
		s := c.Snapshot()
		here[s.RunID] = true
		if after == "" {
			out.Runs = append(out.Runs, lineOf(&s))
		}
	}
	if p.stored != nil {
		lines, next, err := p.stored.list(ctx, after, here)
		if err != nil {
			return out, err
		}
		out.Runs, out.After = append(out.Runs, lines...), next
	}
	if len(out.Runs) == 0 && after == "" {
		out.Empty = "No run has begun in this process: give page.Observer() to Options.Observer of a run."
		if p.stored != nil {
			out.Empty += " The bucket has no run under the prefix \"" + p.opts.Prefix + "\": give the same bucket and prefix to sink.Bucket."
		} else {
			out.Empty += " For runs that have ended, and of other processes, set Options.Bucket."
		}
	}
	return out, nil
}

func (p *site) serveRun(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, r.URL.Query().Get("stored") != "")
	if err != nil {
		return err
	}
	s, err := p.snapshot(r.Context(), f)
	if err != nil {
		return err
	}
	d := describeRun(s)
	d.Run.Failures = d.Run.Failures.Short(len(d.Run.Failures.Groups))
	if f.stored != nil {
		d.Stored = p.stored.folder(f.stored)
	}
	return answer(w, d)
}
