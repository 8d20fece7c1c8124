package enginetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// stored are the results of a run, by the IDs of its items.
type stored struct {
	run                              *results.Run
	succeeded, failed, held, pending map[string]string // outputs, classes, reasons, classes
}

// load reads the results of a job. It fails if an item is there twice, or if the counts are not
// those of the records.
func (j *Job) load() stored {
	j.t.Helper()
	return load(j.t, j.Store, j.ID)
}

func load(t *testing.T, store *blob.Bucket, id string) (s stored) {
	t.Helper()
	ctx := t.Context()
	run, err := results.Load(ctx, store, Out, id)
	must(t, err)
	s = stored{run: run, succeeded: map[string]string{}, failed: map[string]string{}, held: map[string]string{}, pending: map[string]string{}}
	seen := map[string]bool{}
	put := func(to map[string]string, id, text string, err error) {
		must(t, err)
		isTrue(t, !seen[id], "item %s is there twice", id)
		seen[id] = true
		to[id] = text
	}
	for r, err := range results.Successes[string](ctx, store, run) {
		put(s.succeeded, r.ID, r.Output, err)
	}
	for r, err := range results.Failures(ctx, store, run) {
		put(s.failed, r.ID, r.Class, err)
	}
	for r, err := range results.Held(ctx, store, run) {
		put(s.held, r.ID, r.Reason, err)
	}
	for r, err := range results.Pending(ctx, store, run) {
		put(s.pending, r.ID, r.Class, err)
	}
	n := run.Stats
	equal(t, "the sum of the counts", n.Read, n.Succeeded+n.Failed+n.Skipped+n.Held+n.Pending)
	equal(t, "the counts", []int64{n.Succeeded, n.Failed, n.Held},
		[]int64{int64(len(s.succeeded)), int64(len(s.failed)), int64(len(s.held))})
	return s
}

// end has the fields of a manifest that are the same for all engines, without the parts. Lists have
// an order here.
type end struct {
	Status                                          results.Status
	Reason, Error                                   string
	Read, Succeeded, Failed, Skipped, Held, Pending int64
	Calls, Retries, Bytes, Broken                   int64
	Units                                           float64
	Truncated                                       bool
	Unread                                          dmap.Unread
	BrokenObjects                                   []results.BrokenObject
	Tolerance                                       *dmap.Tolerance
}

func (s stored) end() end {
	n := s.run.Stats
	lines := strings.Split(s.run.Error, "\n")
	slices.Sort(lines)
	unread, broken := s.run.Unread, slices.Clone(s.run.Broken)
	unread.Splits = slices.Clone(unread.Splits)
	for i := range unread.Splits {
		unread.Splits[i].Version = "" // it has the time of the object
	}
	slices.SortFunc(unread.Splits, func(a, b dmap.Split) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.From.Key, b.From.Key), cmp.Compare(a.From.Offset, b.From.Offset))
	})
	slices.SortFunc(broken, func(a, b results.BrokenObject) int { return strings.Compare(a.Key, b.Key) })
	return end{
		Status: s.run.Status, Reason: n.Reason, Error: strings.Join(lines, "\n"),
		Read: n.Read, Succeeded: n.Succeeded, Failed: n.Failed, Skipped: n.Skipped, Held: n.Held, Pending: n.Pending,
		Calls: n.Calls, Retries: n.Retries, Bytes: n.Bytes, Broken: n.BrokenObjects, Units: n.Units, Truncated: n.Truncated,
		Unread: unread, BrokenObjects: broken, Tolerance: s.run.Tolerance,
	}
}

// local runs the job by dmap.Map, also a run that another engine has left open.
func (j *Job) local(ctx context.Context) error {
	m := j.Machine()
	return mapOf(ctx, m)
}

// mapOf runs a machine's part of a run by dmap.Map: all of it.
func mapOf(ctx context.Context, m *Machine) (err error) {
	if m.Call != nil {
		_, err = dmap.Map(ctx, m.Source, m.Call, m.Options, dmap.Sink[string](m.Sink))
	} else {
		_, err = dmap.MapBatch(ctx, m.Source, m.Limits, m.Batch, m.Options, dmap.Sink[string](m.Sink))
	}
	return err
}

// apart returns the same job over another store with the same input, for dmap.Map.
func (j *Job) apart() *Job {
	other := newJob(j.t)
	other.ID = j.ID
	other.Open, other.Call, other.Batch, other.Limits, other.Options = j.Open, j.Call, j.Batch, j.Limits, j.Options
	for object, err := range objects(j.t.Context(), j.Store) {
		must(j.t, err)
		content, err := j.Store.ReadAll(j.t.Context(), object)
		must(j.t, err)
		put(j.t, other.Store, object, content)
	}
	return other
}

var _ dmap.Sink[string] = (*sink.BucketSink[string])(nil)
