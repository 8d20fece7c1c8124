package dmapweb

import (
	"context"
	"net/http"
	"strconv"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// found is a run that a request names: live, stored or both.
type found struct {
	live   *watch.Collector // nil: it is not of this process
	stored *results.Run     // nil: it is not in the bucket, or was not asked for
}

// find finds the run of a request. Of a run on which this process works it looks into the bucket
// only with deep, and it is no error if it is not there.
func (p *site) find(r *http.Request, deep bool) (found, error) {
	key := r.PathValue("run")
	out := found{live: p.set.Find(key)}
	if out.live != nil {
		if p.stored == nil || !deep && out.live.Live() {
			return out, nil
		}
		run, err := p.stored.load(r.Context(), out.live.Spec().RunID)
		if err != nil {
			if _, absent := guard.As[*httpError](err); absent {
				return out, nil
			}
			return out, err
		}
		out.stored = run
		return out, nil
	}
	if p.stored == nil {
		return out, notFound("no run " + strconv.Quote(clip(key, 128)) + " in this process, and the page has no bucket: set Options.Bucket to see runs that have ended")
	}
	if !isRunID(key) {
		return out, notFound("no run has the ID " + strconv.Quote(clip(key, 128)))
	}
	var err error
	out.stored, err = p.stored.load(r.Context(), key)
	return out, err
}

// snapshot is the state of a run that was found.
func (p *site) snapshot(ctx context.Context, f found) (watch.Snapshot, error) {
	if f.stored == nil || f.live != nil && f.live.Live() {
		return f.live.Snapshot(), nil
	}
	groups, err := p.stored.groups(ctx, f.stored)
	if err != nil {
		return watch.Snapshot{}, err
	}
	if f.live == nil {
		return p.stored.snapshot(f.stored, groups), nil
	}
	s := f.live.Snapshot()
	if elsewhere(&s, f.stored) {
		return p.stored.snapshot(f.stored, groups), nil
	}
	s.Failures = groups
	return s, nil
}

// elsewhere reports whether another process has continued a run since this one has left it.
func elsewhere(s *watch.Snapshot, run *results.Run) bool {
	return run.Redrive > s.Stats.Redrives || run.Stats.State != s.Stats.State || run.Stats.Failed != s.Stats.Failed
}
