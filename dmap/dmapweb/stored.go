package dmapweb

import (
	"context"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// stored reads the runs of a bucket. It keeps its answers for some seconds, so that polling
// readers cost few requests.
type stored struct {
	bucket *blob.Bucket
	prefix string
	redact func(runID string) func(string) string // of the keys of a run; a nil result: none

	mu    sync.Mutex
	cache map[string]*entry
	pages map[string]listed // of the list of runs, by ListOptions.Before
}

// entry is a run that was read.
type entry struct {
	until time.Time
	run   *results.Run

	grouped bool // groups was read
	groups  watch.Failures
}

// How long an entry is valid, and how many there are.
const (
	openFor    = 2 * time.Second
	endedFor   = 15 * time.Second // a redrive may begin
	maxEntries = 64
)

func newStored(opts Options) *stored {
	return &stored{
		bucket: opts.Bucket, prefix: opts.Prefix, redact: func(string) func(string) string { return opts.Redact },
		cache: map[string]*entry{}, pages: map[string]listed{},
	}
}

// load reads the state of a run.
func (s *stored) load(ctx context.Context, runID string) (*results.Run, error) {
	s.mu.Lock()
	e := s.cache[runID]
	s.mu.Unlock()
	if e != nil && time.Now().Before(e.until) {
		return e.run, nil
	}
	run, err := results.Load(ctx, s.bucket, s.prefix, runID)
	if err != nil {
		if guard.Is(err, results.ErrNoRun) {
			return nil, notFound("no run " + runID + " in this process, and none in the bucket: it has not begun, or has no sink.Bucket with that prefix")
		}
		if guard.Is(err, results.ErrNoManifest) {
			return nil, notFound("the run " + runID + " is an Express run that has not ended: nothing of it can be read")
		}
		return nil, err
	}
	s.keep(runID, run)
	return run, nil
}

func (s *stored) keep(runID string, run *results.Run) {
	until := time.Now().Add(openFor)
	if run.Status != results.Open {
		until = time.Now().Add(endedFor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cache) >= maxEntries {
		clear(s.cache)
	}
	e := s.cache[runID]
	if e == nil || e.run.Status != run.Status || e.run.Redrive != run.Redrive || e.run.Commits != run.Commits {
		e = &entry{}
	}
	s.cache[runID] = &entry{until: until, run: run, grouped: e.grouped, groups: e.groups}
}

// forget drops the answers about a run, which has changed.
func (s *stored) forget(runID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cache, runID)
	clear(s.pages)
}

// groups returns the failures of a run in groups, and reads them once for each state of the run.
func (s *stored) groups(ctx context.Context, run *results.Run) (watch.Failures, error) {
	s.mu.Lock()
	e := s.cache[run.RunID]
	s.mu.Unlock()
	if e != nil && e.run == run && e.grouped {
		return e.groups, nil
	}
	found, err := s.readGroups(ctx, run)
	if err != nil {
		return found, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.cache[run.RunID]; e != nil && e.run == run {
		e.grouped, e.groups = true, found
	}
	return found, nil
}

// readGroups reads the index of failures.
func (s *stored) readGroups(ctx context.Context, run *results.Run) (watch.Failures, error) {
	found, err := results.Groups(ctx, s.bucket, run)
	if err != nil {
		return watch.Failures{}, err
	}
	out := watch.Failures{Groups: make([]failgroup.Group, 0, len(found))}
	for i := range found {
		out.Total += found[i].Count
		out.Groups = append(out.Groups, groupOf(&found[i]))
	}
	s.hide(run.RunID, out.Groups)
	return out, nil
}

// groupOf is a stored group in the form of one of a live run.
func groupOf(g *results.Group) failgroup.Group {
	out := failgroup.Group{ID: g.ID, Class: g.Class, Message: g.Message, Count: g.Count, Over: g.Over, First: g.First, Last: g.Last}
	for _, s := range g.Samples {
		out.Samples = append(out.Samples, failgroup.Sample(s))
	}
	for _, w := range g.Where {
		out.Where = append(out.Where, failgroup.Place(w))
	}
	if g.Trend.Width > 0 {
		out.Trend = failgroup.Trend{Start: g.Trend.Start.Unix(), Width: int64(g.Trend.Width / time.Second), Counts: g.Trend.Counts}
	}
	return out
}

// hide replaces keys in samples and prefixes.
func (s *stored) hide(runID string, groups []failgroup.Group) {
	redact := s.redact(runID)
	if redact == nil {
		return
	}
	for i := range groups {
		g := &groups[i]
		g.Where = nil // of redacted keys prefixes say nothing
		for j := range g.Samples {
			sample := &g.Samples[j]
			sample.Key, sample.ID, sample.Error = watch.Hidden(redact, sample.Key, sample.ID, sample.Error)
		}
	}
}

// snapshot is the state of a stored run in the form of a live one.
func (s *stored) snapshot(run *results.Run, groups watch.Failures) watch.Snapshot {
	st := run.Stats
	st.RunID = run.RunID
	readAll := st.State == dmap.StateEnded && !run.Unread.All && run.Unread.After == nil && len(run.Unread.Splits) == 0
	begun := run.Started
	if begun.IsZero() {
		begun = st.Started
	}
	out := watch.Snapshot{
		Key: run.RunID, RunID: run.RunID, Source: run.Source, At: time.Now(), Begun: begun, Ended: run.Stopped,
		Stats: st, Failures: groups, Calls: []watch.Call{}, Marks: storedMarks(run), Omitted: run.EditCount - int64(len(run.Edits)),
		Spent:    []watch.Share{},
		Verdict:  watch.Judge(watch.Facts{Stats: st, Err: run.Error, Stored: true}),
		Progress: watch.Bar(st, readAll, 0),
		Fuel:     watch.StoredFuel(run.Tolerance, st, readAll),
		Limits:   watch.Limits{Concurrency: st.Limit},
	}
	if run.Tolerance != nil {
		out.Limits.Tolerance = *run.Tolerance
	}
	if seconds := st.Elapsed.Seconds(); seconds > 0 {
		out.Now.Items = float64(st.Succeeded+st.Failed+st.Skipped) / seconds
		out.Now.Failed = float64(st.Failed) / seconds
	}
	out.Durable = watch.Durability{Journal: run.Commits > 0, Number: max(0, run.Commits-1), Commits: run.Commits, Text: storedText(run)}
	return out
}

// storedMarks are the edits of a run as marks.
func storedMarks(run *results.Run) []watch.Mark {
	marks := make([]watch.Mark, 0, len(run.Edits))
	for _, e := range run.Edits {
		marks = append(marks, watch.EditMark(e))
	}
	return marks
}

func storedText(run *results.Run) string {
	switch {
	case run.Status != results.Open && run.Commits == 0:
		return "The run had no journal; its results are complete."
	case run.Status != results.Open:
		return watch.Counted(run.Commits, "commit") + "; nothing is in flight."
	default:
		return "State of commit " + watch.Count(run.Commits-1) + ". Items that a living process has settled since then are not in it."
	}
}
