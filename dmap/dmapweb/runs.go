package dmapweb

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// line is a run in the list of runs: all its redrives are one line.
type line struct {
	Key      string       `json:"key"`
	RunID    string       `json:"runId"`
	Live     bool         `json:"live"`
	Status   watch.Status `json:"status"`
	Tone     watch.Tone   `json:"tone"`
	Text     string       `json:"text"`
	Begun    time.Time    `json:"begun,omitzero"`
	Ended    time.Time    `json:"ended,omitzero"`
	Items    int64        `json:"items"` // read
	Failed   int64        `json:"failed"`
	Share    float64      `json:"share"` // settled, 0 to 1; 0: not known
	Redrives int          `json:"redrives,omitempty"`
	Source   string       `json:"source,omitempty"`
	Error    string       `json:"error,omitempty"` // the run could not be read
}

// list is the answer of /api/runs.
type list struct {
	Runs   []line `json:"runs"`
	After  string `json:"after,omitempty"` // the next page of the bucket; empty: this is the last
	Bucket bool   `json:"bucket"`          // the page has a bucket
	Empty  string `json:"empty,omitempty"` // there is no run: what to do
}

// pageOfRuns is how many runs of the bucket a page of the list has.
const pageOfRuns = 25

func (p *Page) serveRuns(w http.ResponseWriter, r *http.Request) error {
	found, err := p.listRuns(r.Context(), r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	return answer(w, found)
}

// listRuns lists the runs of this process, then those of the bucket.
func (p *Page) listRuns(ctx context.Context, after string) (list, error) {
	out := list{Runs: []line{}, Bucket: p.stored != nil}
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

func lineOf(s *watch.Snapshot) line {
	return line{
		Key: s.Key, RunID: s.RunID, Live: s.Live, Status: s.Verdict.Status, Tone: s.Verdict.Tone, Text: s.Verdict.Text,
		Begun: s.Begun, Ended: s.Ended, Items: s.Stats.Read, Failed: s.Stats.Failed, Share: s.Progress.Share,
		Redrives: s.Stats.Redrives, Source: s.Source,
	}
}

// found is a run that a request names: live, stored or both.
type found struct {
	live   *watch.Collector // nil: it is not of this process
	stored *results.Run     // nil: it is not in the bucket, or was not asked for
}

// find finds the run of a request. Of a run on which this process works it looks into the bucket
// only with deep, and it is no error if it is not there.
func (p *Page) find(r *http.Request, deep bool) (found, error) {
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

// isRunID reports whether a run may have this ID: it is a name in a bucket.
func isRunID(id string) bool {
	if id == "" || len(id) > 128 || id[0] == '.' {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '=', c == '-':
		default:
			return false
		}
	}
	return true
}

// snapshot is the state of a run that was found.
func (p *Page) snapshot(ctx context.Context, f found) (watch.Snapshot, error) {
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

func (p *Page) serveRun(w http.ResponseWriter, r *http.Request) error {
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

// history is the answer of /series.
type history struct {
	watch.Series
	Marks   []watch.Mark `json:"marks"`
	Omitted int64        `json:"omittedMarks,omitempty"`
	Empty   string       `json:"empty,omitempty"` // there is no series: why
}

func (p *Page) serveSeries(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, false)
	if err != nil {
		return err
	}
	if f.live == nil {
		return answer(w, history{
			Series: watch.Series{Points: []watch.Point{}}, Marks: []watch.Mark{},
			Empty: "The history of a run is kept by the process that works on it, while it lives. Save the report there to keep it.",
		})
	}
	s := f.live.Snapshot()
	return answer(w, history{Series: f.live.Series(0), Marks: s.Marks, Omitted: s.Omitted})
}

// groups is the answer of /groups.
type groups struct {
	Total  int64   `json:"total"`
	Groups []group `json:"groups"`
	// Process says that the groups are of this process alone, not of earlier ones of the run.
	Process bool   `json:"process,omitempty"`
	Empty   string `json:"empty,omitempty"`
}

// group is a group with the prefixes that say where its failures gather, and the idempotency keys
// of its samples.
type group struct {
	failgroup.Group
	Where  []failgroup.Place `json:"where,omitempty"`
	Tokens []string          `json:"tokens,omitempty"` // empty: keys are redacted
}

// placesShown is how many prefixes say where the failures of a group gather.
const placesShown = 4

func (p *Page) groupsOf(runID string, f watch.Failures) groups {
	redact := p.redact(runID)
	out := groups{Total: f.Total, Groups: make([]group, 0, len(f.Groups))}
	for _, g := range f.Groups {
		one := group{Group: g, Where: failgroup.Gather(g.Where, placesShown)}
		if redact != nil {
			one.Where = nil // of redacted keys prefixes say nothing
		}
		for _, s := range g.Samples {
			if redact == nil {
				one.Tokens = append(one.Tokens, dmap.IdempotencyKey(runID, s.ID))
			}
		}
		out.Groups = append(out.Groups, one)
	}
	if len(out.Groups) == 0 {
		out.Empty = "No item has failed."
	}
	return out
}

func (p *Page) serveGroups(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, false)
	if err != nil {
		return err
	}
	s, err := p.snapshot(r.Context(), f)
	if err != nil {
		return err
	}
	out := p.groupsOf(s.RunID, s.Failures)
	if f.live != nil && f.live.Live() {
		out.Process = f.live.Spec().Resumed || f.live.Spec().Redrive > 0
	}
	return answer(w, out)
}

// session says what the reader may do.
type session struct {
	Controls bool   `json:"controls"`
	Why      string `json:"why,omitempty"` // there are none
	Redrive  bool   `json:"redrive"`       // the page can start a redrive
	Payloads bool   `json:"payloads"`
	Bucket   bool   `json:"bucket"`
}

func (p *Page) serveSession(w http.ResponseWriter, r *http.Request) error {
	return answer(w, p.session(r))
}

func (p *Page) session(r *http.Request) session {
	s := session{Controls: true, Redrive: p.opts.Redrive != nil, Payloads: p.opts.Payloads, Bucket: p.stored != nil}
	if err := p.allowed(r); err != nil {
		s.Controls, s.Redrive, s.Why = false, false, guard.Text(err, maxMessage)
	}
	return s
}
