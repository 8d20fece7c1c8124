package dmap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/testsize"
)

// diary is a sink of ints that keeps only a journal, in memory. It outlives the runs written to it,
// as a bucket does.
type diary struct {
	journal.NoHolds
	journal.NoLists
	journal.NoLanes

	mu       sync.Mutex
	begun    *dmap.RunSpec
	commits  []journal.Commit
	ended    *dmap.Ending
	onAppend func(n int) (store bool, err error) // nil: store
}

func (*diary) ConcurrentWrites() {}

func (*diary) Write(context.Context, []dmap.Result[int]) error { return nil }

func (*diary) Flush(context.Context) error { return nil }

func (*diary) Close() error { return nil }

func (d *diary) OpenJournal(_ context.Context, spec dmap.RunSpec, _ func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := journal.Progress{Resumed: d.begun != nil}
	if d.begun == nil {
		d.begun = &spec
	} else if fields := spec.Differs(*d.begun); len(fields) > 0 {
		return nil, p, nil, &dmap.SpecError{RunID: spec.RunID, Fields: fields}
	}
	p.Apply(d.commits...)
	return d, p, d.ended, nil
}

func (d *diary) Append(_ context.Context, c journal.Commit) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Number != int64(len(d.commits)) {
		return fmt.Errorf("commit %d of %d: %w", c.Number, len(d.commits), dmap.ErrFenced)
	}
	store, err := true, error(nil)
	if d.onAppend != nil {
		store, err = d.onAppend(len(d.commits))
	}
	if store {
		d.commits = append(d.commits, roundTrip(c))
	}
	return err
}

// roundTrip is c as a bucket would give it back.
func roundTrip(c journal.Commit) (out journal.Commit) {
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// counted reads the journal as its readers do: the offsets that count.
func (d *diary) counted(t *testing.T) []int64 {
	var out []int64
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commits {
		if len(c.States) == 0 {
			continue
		}
		var offsets []int64
		require.NoError(t, json.Unmarshal(c.States["0"], &offsets))
		out = append(out, offsets...)
	}
	return out
}

// page is a Committer that keeps the offsets of the results it is given until a commit names them.
type page struct {
	mu       sync.Mutex
	written  []int64
	before   []int64 // the barrier
	restored int
	onCommit func() error
	ended    []dmap.Ending
}

func (*page) ConcurrentWrites() {}

func (p *page) Write(_ context.Context, results []dmap.Result[int]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range results {
		p.written = append(p.written, r.Offset)
	}
	return nil
}

func (p *page) Flush(context.Context) error { return nil }

func (p *page) Barrier() { p.before, p.written = append(p.before, p.written...), nil }

func (p *page) Commit(context.Context) (json.RawMessage, error) {
	if p.onCommit != nil {
		if err := p.onCommit(); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(p.before)
	p.before = nil
	return text, err
}

func (p *page) Restore(_ context.Context, states []json.RawMessage) error {
	p.restored = len(states)
	return nil
}

func (p *page) Begin(context.Context, dmap.RunSpec) error { return nil }

func (p *page) End(_ context.Context, e dmap.Ending) error { p.ended = append(p.ended, e); return nil }

// sparse yields every third of n numbers, the others as skipped, in splits.
type sparse struct{ pieces }

func (s sparse) Plan() dmap.Plan[int] { return planOf(s) }

func (s sparse) Read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for item, err := range s.pieces.Read(ctx, split) {
			if item.Value%3 != 0 {
				item.Err = dmap.ErrSkip
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (s sparse) Items(ctx context.Context) iter.Seq2[dmap.Item[int], error] {
	return s.Read(ctx, dmap.Split{To: dmap.Cursor{Offset: int64(s.n)}})
}

// Runs that break off again and again at any step come to their end with each result counted once.
func TestEachResultCountsOnceHoweverOftenARunIsInterrupted(t *testing.T) {
	const n = 600
	sources := map[string]dmap.Source[int]{
		"whole": numbers(n), "splits": pieces{n, 40}, "tiny splits": pieces{n, 1}, "sparse": sparse{pieces{n, 100}},
		"filled": filler{pieces{n, 100}},
	}
	for name, src := range sources {
		for _, limits := range []batch.Limits{{}, {Items: 7}} {
			t.Run(fmt.Sprint(name, limits.Items), func(t *testing.T) {
				for seed := range uint64(testsize.Sizes{Short: 3, Usual: 15, Long: 100}.Now()) {
					synctest.Test(t, func(t *testing.T) { breakOff(t, src, limits, seed) })
				}
			})
		}
	}
}

func breakOff(t *testing.T, src dmap.Source[int], limits batch.Limits, seed uint64) {
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	var d diary
	var calls atomic.Int64
	opts := dmap.Options{
		PoisonAfter: -1, // the crashes here come from outside
		RunID:       "r", MaxConcurrency: 1 + dice.IntN(20), CommitEvery: 50 * time.Millisecond,
		Retry: dmap.Retry{MaxAttempts: 2, Initial: time.Millisecond}, Tolerance: dmap.Tolerance{Percentage: 100},
	}
	for attempt := 0; ; attempt++ {
		p := &page{}
		ctx, cancel := context.WithCancelCause(t.Context())
		faults := attempt < 12
		var breakAt int64 = -1
		if faults {
			breakAt = calls.Load() + dice.Int64N(200)
			kind := dice.IntN(5)
			at := dice.IntN(4)
			d.onAppend = func(int) (bool, error) {
				if at--; at >= 0 {
					return true, nil
				}
				return map[int]bool{1: true}[kind], map[int]error{0: errBoom, 1: errBoom}[kind]
			}
			if kind >= 2 {
				d.onAppend = nil
			}
			if kind == 2 {
				p.onCommit = func() error {
					if at--; at < 0 {
						return errBoom
					}
					return nil
				}
			}
		} else {
			d.onAppend = nil
		}
		call := func(i int) (int, error) {
			time.Sleep(time.Duration(i%10) * time.Millisecond)
			if calls.Add(1) == breakAt {
				cancel(dmap.ErrSuspended)
			}
			if i%50 == 3 {
				return 0, errBoom
			}
			return i, nil
		}
		var stats dmap.Stats
		var err error
		if limits.Items == 0 {
			stats, err = dmap.Map(ctx, src, func(ctx context.Context, i int) (int, error) { return call(i) }, opts, p, &d)
		} else {
			stats, err = dmap.MapBatch(ctx, src, limits, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
				out, errs := make([]int, len(in)), batch.Errors{}
				for k := range in {
					var err error
					if out[k], err = call(in[k].Value); err != nil {
						errs[k] = err
					}
				}
				return out, errs.Err()
			}, opts, p, &d)
		}
		requireSum(t, stats)
		cancel(nil)
		if err == nil {
			finish(t, src, &d, p, stats)
			return
		}
		require.Less(t, attempt, 13, "%v", err)
		require.True(t, errors.Is(err, dmap.ErrSuspended) || errors.Is(err, errBoom), "%v", err)
		if len(p.ended) > 0 { // else the journal refused the take-over
			require.True(t, p.ended[0].Resumable)
		}
	}
}

func finish(t *testing.T, src dmap.Source[int], d *diary, p *page, stats dmap.Stats) {
	t.Helper()
	require.False(t, p.ended[0].Resumable)
	times := map[int64]int{}
	for _, offset := range d.counted(t) {
		times[offset]++
	}
	want := 0
	for item, err := range src.Items(t.Context()) {
		if err != nil || item.Err == nil && times[item.Offset] != 1 {
			t.Fatalf("item %d counts %d times: %v", item.Offset, times[item.Offset], err)
		}
		if item.Err == nil {
			want++
		}
	}
	require.Len(t, times, want)
	require.EqualValues(t, 600, stats.Read)
	require.EqualValues(t, 600-want, stats.Skipped)
	require.EqualValues(t, want, stats.Succeeded+stats.Failed)
	var sum journal.Counts
	var progress journal.Progress
	progress.Apply(d.commits...)
	for _, c := range d.commits {
		sum.Add(c.Counts)
	}
	require.Equal(t, sum, progress.Counts)
	require.LessOrEqual(t, sum.Elapsed, stats.Elapsed)
	sum.Elapsed, sum.Interrupted = 0, 0
	require.Equal(t, journal.Counts{Read: stats.Read, Taken: int64(want), Succeeded: stats.Succeeded, Failed: stats.Failed, Skipped: stats.Skipped,
		Calls: stats.Calls, Retries: stats.Retries}, sum)
	for s, err := range dmap.PlanOf(src).Splits(t.Context()) {
		require.NoError(t, err)
		whole := journal.Interval{Split: s.ID, From: journal.Cursor(s.From), To: journal.Cursor(s.To)}
		require.True(t, slices.Contains(progress.Settled, whole), "%+v is not in %+v", whole, progress.Settled)
	}
}

func TestMaxItemsHoldsAcrossResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(50) {
			dice := rand.New(rand.NewPCG(seed, 2))
			var d diary
			seen := map[int]bool{}
			var mu sync.Mutex
			for attempt := 0; ; attempt++ {
				ctx, cancel := context.WithCancelCause(t.Context())
				left := dice.IntN(100)
				stats, err := dmap.Map(ctx, pieces{1000, 30}, func(_ context.Context, i int) (int, error) {
					time.Sleep(time.Duration(i%7) * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					seen[i] = true
					if left--; left == 0 && attempt < 6 {
						cancel(dmap.ErrSuspended)
					}
					return i, nil
				}, dmap.Options{RunID: "r", MaxItems: 217, MaxConcurrency: 8, CommitEvery: 10 * time.Millisecond}, &page{}, &d)
				cancel(nil)
				if err == nil {
					require.EqualValues(t, 217, stats.Succeeded)
					require.True(t, stats.Truncated)
					break
				}
				require.ErrorIs(t, err, dmap.ErrSuspended)
			}
			require.Len(t, d.counted(t), 217)
			for i := range 217 {
				require.True(t, seen[i])
			}
			require.Len(t, seen, 217)
		}
	})
}

func TestARunThatHasEndedIsNotRunAgain(t *testing.T) {
	d := diary{begun: &dmap.RunSpec{}, ended: &dmap.Ending{Stats: dmap.Stats{RunID: "r", Read: 5, Succeeded: 5}}}
	_, err := dmap.Map(t.Context(), numbers(5), func(context.Context, int) (int, error) {
		t.Error("called")
		return 0, nil
	}, dmap.Options{RunID: "r"}, &d)
	require.Error(t, err, "begun with another source")
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	d.begun.Source = "5 numbers"
	stats, err := dmap.Map(t.Context(), numbers(5), double, dmap.Options{RunID: "r"}, &d)
	require.NoError(t, err)
	want := d.ended.Stats
	want.State, want.EndedBefore = dmap.StateEnded, true
	require.Equal(t, want, stats)
	d.ended.Err = fmt.Errorf("%w: too many failures", dmap.ErrEnded)
	_, err = dmap.Map(t.Context(), numbers(5), double, dmap.Options{RunID: "r"}, &d)
	require.ErrorIs(t, err, dmap.ErrEnded)
}

func TestAChangedSpecNamesTheFieldsThatDiffer(t *testing.T) {
	var d diary
	opts := dmap.Options{RunID: "r", Version: "1", MaxItems: 10}
	_, err := dmap.Map(t.Context(), numbers(5), double, opts, &d)
	require.NoError(t, err)
	opts.Version, opts.MaxItems = "2", 0
	_, err = dmap.Map(t.Context(), numbers(6), double, opts, &d)
	var changed *dmap.SpecError
	require.ErrorAs(t, err, &changed)
	require.Equal(t, []string{"source: 6 numbers, begun with 5 numbers", "MaxItems: 0, begun with 10", "Version: 2, begun with 1"}, changed.Fields)
	require.ErrorContains(t, err, "use another RunID")
	require.NotErrorIs(t, err, dmap.ErrOpen)
	require.Equal(t, 78, dmap.ExitCode(err))
	opts.MaxItems = 10
	_, err = dmap.Map(t.Context(), numbers(5), double, opts, &d)
	require.ErrorContains(t, err, "either call with the old one, or end the run with sink.End and redrive it with the new one")
	opts.Version, opts.MaxItems, opts.MaxConcurrency, opts.Timeout = "1", 10, 3, time.Hour
	_, err = dmap.Map(t.Context(), numbers(5), double, opts, &d)
	require.NoError(t, err)
}

// Two runners of one run: in any order each result counts once, and the slower runner gets
// ErrFenced.
func TestOneOfTwoRunnersIsFenced(t *testing.T) {
	fenced := 0
	for seed := range (testsize.Sizes{Short: 25, Usual: 100, Long: 500}).Now() {
		var d diary
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for k := range errs {
			wg.Go(func() {
				_, errs[k] = dmap.Map(t.Context(), pieces{300, 20}, func(_ context.Context, i int) (int, error) {
					return i, nil
				}, dmap.Options{RunID: "r", MaxConcurrency: 1 + (seed+k)%4, CommitEvery: 100 * time.Microsecond}, &page{}, &d)
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, dmap.ErrFenced)
				fenced++
			}
		}
		times := map[int64]int{}
		for _, offset := range d.counted(t) {
			times[offset]++
			require.Equal(t, 1, times[offset])
		}
	}
	t.Logf("%d of 100 were fenced off", fenced)
	require.Positive(t, fenced)
}

func TestCommitsComeEveryWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		_, err := dmap.Map(t.Context(), numbers(100), second, dmap.Options{RunID: "r", MaxConcurrency: 1}, &page{}, &d)
		require.NoError(t, err)
		require.Greater(t, len(d.commits), 50)
		require.LessOrEqual(t, len(d.commits), 101)
	})
}

// What the function skips was taken all the same: a resume must not take another item in its place.
func TestMaxItemsCountsItemsThatTheFunctionSkipsAcrossResumes(t *testing.T) {
	var d diary
	var calls atomic.Int64
	opts := dmap.Options{RunID: "r", MaxItems: 20, MaxConcurrency: 1}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	skipping := func(_ context.Context, i int) (int, error) {
		if calls.Add(1) == 10 {
			cancel(dmap.ErrSuspended)
		}
		if i%2 == 0 {
			return 0, dmap.ErrSkip
		}
		return i, nil
	}
	_, err := dmap.Map(ctx, numbers(50), skipping, opts, &page{}, &d)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	stats, err := dmap.Map(t.Context(), numbers(50), skipping, opts, &page{}, &d)
	require.NoError(t, err)
	require.EqualValues(t, 20, stats.Read)
	require.EqualValues(t, 10, stats.Skipped)
	require.Len(t, d.counted(t), 10)
}
