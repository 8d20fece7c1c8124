package sink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// approvals is a job over numbers that holds some of them until a person has decided.
type approvals struct {
	bucket *blob.Bucket
	src    dmap.Source[int]
	opts   dmap.Options
	sink   sink.BucketOptions
	batch  int
	holds  func(n int, d *dmap.Decision) bool
	fails  func(n int, d *dmap.Decision) error

	mu    sync.Mutex
	calls map[int][]*dmap.Decision // by number; guarded by mu
}

func (a *approvals) call(n int, d *dmap.Decision) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[int][]*dmap.Decision{}
	}
	a.calls[n] = append(a.calls[n], d)
	if a.fails != nil {
		if err := a.fails(n, d); err != nil {
			return 0, err
		}
	}
	if a.holds(n, d) {
		return 0, fmt.Errorf("check %d: %w", n, dmap.Hold(fmt.Sprintf("%d is large", n)))
	}
	return 2 * n, nil
}

func (a *approvals) run(t *testing.T) (dmap.Stats, error) {
	t.Helper()
	opts := a.opts
	opts.RunID = "r"
	out := sink.Bucket[int](a.bucket, "out", a.sink)
	var stats dmap.Stats
	var err error
	if a.batch == 0 {
		stats, err = dmap.Map(t.Context(), a.src, func(ctx context.Context, n int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			require.Same(t, info.Decision, dmap.DecisionAt(ctx, 0))
			return a.call(n, info.Decision)
		}, opts, out)
	} else {
		stats, err = dmap.MapBatch(t.Context(), a.src, batch.Limits{Items: a.batch}, func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
			values, errs := make([]int, len(items)), batch.Errors{}
			for i, item := range items {
				v, err := a.call(item.Value, dmap.DecisionAt(ctx, i))
				if values[i] = v; err != nil {
					errs[i] = err
				}
			}
			return values, errs.Err()
		}, opts, out)
	}
	require.Equal(t, stats.Read, stats.Succeeded+stats.Failed+stats.Skipped+stats.Held+stats.Pending)
	return stats, err
}

func (a *approvals) load(t *testing.T) *results.Run {
	t.Helper()
	r, err := results.Load(t.Context(), a.bucket, "out", "r")
	require.NoError(t, err)
	return r
}

// held are the IDs of the held items, sorted, and their records.
func (a *approvals) held(t *testing.T) (ids []string, items []results.HeldItem) {
	t.Helper()
	for h, err := range results.Held(t.Context(), a.bucket, a.load(t)) {
		require.NoError(t, err)
		ids, items = append(ids, h.ID), append(items, h)
	}
	slices.Sort(ids)
	return ids, items
}

// outcomes are the recorded outputs and classes of failures by ID; each item has one record.
func (a *approvals) outcomes(t *testing.T) map[string]string {
	t.Helper()
	r, out := a.load(t), map[string]string{}
	add := func(id, text string, err error) {
		require.NoError(t, err)
		require.NotContains(t, out, id)
		out[id] = text
	}
	for s, err := range results.Successes[int](t.Context(), a.bucket, r) {
		add(s.ID, fmt.Sprint(s.Output), err)
	}
	for f, err := range results.Failures(t.Context(), a.bucket, r) {
		add(f.ID, f.Class, err)
	}
	for h, err := range results.Held(t.Context(), a.bucket, r) {
		add(h.ID, "held", err)
	}
	for p, err := range results.Pending(t.Context(), a.bucket, r) {
		add(p.ID, "pending", err)
	}
	return out
}

func zeroTo(n int) dmap.Source[int] {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return source.Slice(list)
}

func item(n int) string { return fmt.Sprintf("item@%d", n) }

// each calls f for items and for batches.
func each(t *testing.T, f func(t *testing.T, batch int)) {
	t.Helper()
	for _, batch := range []int{0, 4} {
		t.Run(fmt.Sprintf("batch %d", batch), func(t *testing.T) { f(t, batch) })
	}
}

func undecided(large func(n int) bool) func(int, *dmap.Decision) bool {
	return func(n int, d *dmap.Decision) bool { return large(n) && d == nil }
}

func fives(n int) bool { return n%5 == 0 }

func TestHeldItemsWaitForADecision(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch, holds: undecided(fives), opts: dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}}
		stats, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.NotErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, 78, dmap.ExitCode(err))
		held := new(dmap.HeldError)
		require.ErrorAs(t, err, &held)
		require.EqualValues(t, 4, held.Held)
		require.EqualValues(t, 4, stats.Held)
		require.EqualValues(t, 16, stats.Succeeded)
		require.Equal(t, dmap.StateOpen, stats.State)
		require.Equal(t, "held", stats.Reason)

		r := a.load(t)
		require.Equal(t, results.Open, r.Status)
		require.Equal(t, "held", r.Stats.Reason)
		require.EqualValues(t, 4, r.Stats.Held)
		ids, items := a.held(t)
		require.Equal(t, []string{item(0), item(10), item(15), item(5)}, ids)
		for _, h := range items {
			var n int
			require.NoError(t, json.Unmarshal(h.Input, &n))
			require.Equal(t, fmt.Sprintf("%d is large", n), h.Reason)
			require.Equal(t, 1, h.Holds)
			require.Equal(t, 1, h.Attempts)
		}

		// Without a decision nothing is called.
		stats, err = a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.EqualValues(t, 4, stats.Held)
		require.Len(t, a.calls[5], 1)

		// Two are approved, one by a call and one by an object, one is rejected, one waits.
		require.NoError(t, results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{By: "alice", Note: "called the customer"}, item(5)))
		object := fmt.Sprintf(`{"id": %q, "decision": "approve", "by": "bob"}`, item(10))
		require.NoError(t, a.bucket.WriteAll(t.Context(), "out/r/"+runfolder.DecisionName(item(10), 1), []byte(object), nil))
		require.NoError(t, results.Reject(t.Context(), a.bucket, "out", "r", results.Verdict{By: "alice", Note: "fraud"}, item(15)))
		stats, err = a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.EqualValues(t, 1, stats.Held)
		require.EqualValues(t, 18, stats.Succeeded)
		require.EqualValues(t, 1, stats.Failed)
		require.Len(t, a.calls[5], 2)
		d := a.calls[5][1]
		require.True(t, d.Approved)
		require.Equal(t, "alice", d.By)
		require.Equal(t, "called the customer", d.Note)
		require.Equal(t, "5 is large", d.Reason)
		require.False(t, d.At.IsZero())
		require.Equal(t, "bob", a.calls[10][1].By)
		require.Len(t, a.calls[15], 1, "a rejected item is not called")
		for f, err := range results.Failures(t.Context(), a.bucket, a.load(t)) {
			require.NoError(t, err)
			require.Equal(t, item(15), f.ID)
			require.Equal(t, "rejected", f.Class)
			require.Equal(t, "rejected by alice: fraud (it was held: 15 is large)", f.Error)
			require.JSONEq(t, "15", string(f.Input))
			require.Equal(t, "alice", f.Decision.By)
		}
		ids, _ = a.held(t)
		require.Equal(t, []string{item(0)}, ids)

		require.NoError(t, results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{}, item(0)))
		stats, err = a.run(t)
		require.NoError(t, err)
		require.EqualValues(t, 19, stats.Succeeded)
		require.EqualValues(t, 1, stats.Failed)
		require.Zero(t, stats.Held)
		require.Equal(t, dmap.StateEnded, stats.State)
		require.Len(t, a.outcomes(t), 20)
		for n, calls := range a.calls {
			want := 1
			if fives(n) && n != 15 {
				want = 2
			}
			require.Len(t, calls, want, n)
		}
		require.Equal(t, results.Succeeded, a.load(t).Status)
	})
}

func TestRejectedItemsCountAgainstTheTolerance(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch, holds: undecided(fives)}
		_, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.NoError(t, results.Reject(t.Context(), a.bucket, "out", "r", results.Verdict{Note: "no"}, item(5)))
		stats, err := a.run(t)
		require.ErrorIs(t, err, dmap.ErrTolerance)
		rejected := new(dmap.RejectedError)
		require.ErrorAs(t, err, &rejected)
		require.Equal(t, "no", rejected.Decision.Note)
		require.EqualValues(t, 1, stats.Failed)
		require.EqualValues(t, 3, stats.Held)
		require.Equal(t, results.Failed, a.load(t).Status)
		require.Len(t, a.outcomes(t), 20)
	})
}

// Without a sink that keeps them held items fail, with an error that names the remedy.
func TestHeldItemsFailWithoutAJournal(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch, holds: undecided(fives), sink: sink.BucketOptions{Express: true}}
		a.opts.Tolerance = dmap.Tolerance{Count: 4}
		stats, err := a.run(t)
		require.NoError(t, err)
		require.Zero(t, stats.Held)
		require.EqualValues(t, 4, stats.Failed)
		for f, err := range results.Failures(t.Context(), a.bucket, a.load(t)) {
			require.NoError(t, err)
			require.Equal(t, "held", f.Class)
			require.Contains(t, f.Error, "use sink.Bucket without Express")
			require.Contains(t, f.Error, "is large")
		}
	})
	for r := range dmap.Results(t.Context(), zeroTo(1), func(context.Context, int) (int, error) { return 0, dmap.Hold("why") }, dmap.Options{}) {
		require.ErrorContains(t, r.Err, "use sink.Bucket without Express")
		break
	}
}

// An approved item may be held again, which needs a decision of its own.
func TestEachHoldNeedsItsOwnDecision(t *testing.T) {
	each(t, func(t *testing.T, batch int) {
		a := &approvals{bucket: memory(t), src: zeroTo(20), batch: batch}
		a.holds = func(n int, d *dmap.Decision) bool { return n == 5 && (d == nil || d.Holds < 3) }
		for hold := 1; hold <= 3; hold++ {
			_, err := a.run(t)
			require.ErrorIs(t, err, dmap.ErrHeld)
			_, items := a.held(t)
			require.Len(t, items, 1)
			require.Equal(t, hold, items[0].Holds)
			require.Equal(t, runfolder.DecisionName(item(5), hold), items[0].DecisionKey)
			require.NoError(t, results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{By: fmt.Sprint(hold)}, item(5)))
		}
		stats, err := a.run(t)
		require.NoError(t, err)
		require.EqualValues(t, 20, stats.Succeeded)
		require.Len(t, a.calls[5], 4)
		require.Equal(t, "3", a.calls[5][3].By)
		require.Equal(t, "10", a.outcomes(t)[item(5)])
	})
}

// The first decision about an item counts.
func TestTheFirstDecisionCounts(t *testing.T) {
	a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives), opts: dmap.Options{Tolerance: dmap.Tolerance{Count: 1}}}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	decide := func(f func(context.Context, *blob.Bucket, string, string, results.Verdict, ...string) error, by string, items ...string) error {
		return f(t.Context(), a.bucket, "out", "r", results.Verdict{By: by}, items...)
	}
	require.NoError(t, decide(results.Approve, "alice", item(5)))
	require.NoError(t, decide(results.Approve, "alice", item(5)), "a call may be repeated")
	err = decide(results.Reject, "bob", item(5), item(0))
	require.ErrorIs(t, err, results.ErrDecided)
	require.ErrorContains(t, err, `item@5`)
	require.ErrorContains(t, err, `says approve, by "alice"`)
	err = decide(results.Approve, "carol", item(10), item(7), "no such item")
	require.ErrorIs(t, err, results.ErrNotHeld)
	require.ErrorContains(t, err, `item@7, no such item: nothing was written`)
	require.Error(t, decide(results.Approve, strings.Repeat("x", 257), item(5)))
	require.NoError(t, decide(results.Approve, "dora"))
	stats, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	require.EqualValues(t, 1, stats.Failed, "item 0 was rejected by the call that found item 5 decided")
	require.EqualValues(t, 2, stats.Held, "item 10 was not approved")
	require.Equal(t, "alice", a.calls[5][1].By)
	err = decide(results.Approve, "eve", item(5))
	require.ErrorIs(t, err, results.ErrNotHeld)
	require.ErrorIs(t, results.Approve(t.Context(), a.bucket, "out", "other", results.Verdict{}, "x"), results.ErrNoRun)
}

// Decisions without effect are named, and lose nothing.
func TestDecisionsWithoutEffectAreNamed(t *testing.T) {
	a := &approvals{bucket: memory(t), src: zeroTo(20), holds: undecided(fives)}
	_, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	put := func(name, content string) {
		require.NoError(t, a.bucket.WriteAll(t.Context(), "out/r/"+name, []byte(content), nil))
	}
	put(runfolder.DecisionName(item(0), 1), "garbage \x1b[31m")
	put(runfolder.DecisionName(item(5), 1), `{"id": "item@5", "decision": "maybe"}`)
	put(runfolder.DecisionName(item(10), 1), `{"id": "item@11", "decision": "approve"}`)
	put(runfolder.DecisionName(item(15), 1), `{"id": "item@15", "decision": "approve", "note": "`+strings.Repeat("x", 70_000)+`"}`)
	put(runfolder.DecisionName(item(7), 1), `{"id": "item@7", "decision": "approve"}`)
	put("decisions/note.txt", "hello")
	stats, err := a.run(t)
	require.ErrorIs(t, err, dmap.ErrHeld)
	require.EqualValues(t, 4, stats.Held)
	held := new(dmap.HeldError)
	require.ErrorAs(t, err, &held)
	require.Len(t, held.Ignored, 6)
	for _, text := range []string{
		runfolder.DecisionName(item(0), 1) + ": it is no JSON object", `its decision is "maybe"`, `its id is "item@11", its name is that of "item@10"`,
		"it has 70", runfolder.DecisionName(item(7), 1) + ": no item is held", "decisions/note.txt: its name",
	} {
		require.ErrorContains(t, err, text)
	}
	require.NotContains(t, err.Error(), "\x1b")
	err = results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{}, item(0))
	require.ErrorIs(t, err, results.ErrDecided)
	require.ErrorContains(t, err, "remove it")

	for _, n := range []int{0, 5, 10, 15} {
		require.NoError(t, a.bucket.Delete(t.Context(), "out/r/"+runfolder.DecisionName(item(n), 1)))
		require.NoError(t, results.Approve(t.Context(), a.bucket, "out", "r", results.Verdict{}, item(n)))
	}
	stats, err = a.run(t)
	require.NoError(t, err)
	require.EqualValues(t, 20, stats.Succeeded)
}
