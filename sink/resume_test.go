package sink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

var _ dmap.Committer = (*sink.BucketSink[int])(nil)

func (n upTo) Plan() dmap.Plan[int] { return dmap.Plan[int]{Splits: n.Splits, Read: n.Read} }

func (n upTo) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		_ = yield(dmap.Split{ID: "all", To: dmap.Cursor{Offset: int64(n)}}, nil)
	}
}

func (n upTo) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := s.From.Offset; i < s.To.Offset; i++ {
			item := dmap.Item[int]{Key: "n", Offset: i, Index: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}
			if !yield(item, ctx.Err()) {
				return
			}
		}
	}
}

var errBad = errors.New("bad number")

// job is a run of some windows over n numbers, a tenth of which fail.
func job(ctx context.Context, bucket *blob.Bucket, n int, calls *atomic.Int64, opts ...sink.BucketOptions) (dmap.Stats, error) {
	return dmap.Map(ctx, upTo(n), func(_ context.Context, i int) (int, error) {
		calls.Add(1)
		time.Sleep(10 * time.Millisecond)
		if i%10 == 3 {
			return 0, errBad
		}
		return 2 * i, nil
	}, dmap.Options{
		RunID: "r", MaxConcurrency: 2, CommitEvery: 50 * time.Millisecond, DrainTimeout: time.Second, Tolerance: dmap.Tolerance{Percentage: 50},
	}, sink.Bucket[int](bucket, "out", opts...))
}

// exact is exactRecords of a run whose groups are stored, too.
func exact(t *testing.T, bucket *blob.Bucket, n int) *results.Run {
	t.Helper()
	requireGrouped(t, bucket)
	return exactRecords(t, bucket, n)
}

// exactRecords reads the manifest and its parts, and nothing else: each of n numbers is there once,
// with its outcome.
func exactRecords(t *testing.T, bucket *blob.Bucket, n int) *results.Run {
	t.Helper()
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Equal(t, results.Succeeded, m.Status)
	require.Empty(t, m.Lost)
	seen := make([]int, n)
	for _, r := range collect(t, results.Successes[int](t.Context(), bucket, m)) {
		seen[r.Offset]++
		require.EqualValues(t, 2*r.Offset, r.Output)
	}
	for _, r := range collect(t, results.Failures(t.Context(), bucket, m)) {
		seen[r.Offset]++
		require.EqualValues(t, 3, r.Offset%10)
	}
	for i, times := range seen {
		require.Equal(t, 1, times, "item %d", i)
	}
	require.EqualValues(t, n, m.Stats.Read)
	require.EqualValues(t, n/10, m.Stats.Failed)
	require.EqualValues(t, n-n/10, m.Stats.Succeeded)
	require.Positive(t, m.Commits)
	return m
}

// A run whose store fails at any write, once or for good, or stores an object and reports an error,
// resumes with each result once when the store works again.
func TestARunThatBreaksAtAnyWriteResumesWithEachResultOnce(t *testing.T) {
	const n = 60
	buckets(t, func(t *testing.T, inner *blob.Bucket) {
		for _, fault := range []dmaptest.Fault{
			{Op: dmaptest.OpClose}, {Op: dmaptest.OpClose, Sticky: true},
			{Op: dmaptest.OpClose, Kind: dmaptest.Lost, Sticky: true},
			{Op: dmaptest.OpCreate, Sticky: true},
			{Op: dmaptest.OpClose, Kind: dmaptest.Lost, Err: syscall.ECONNRESET},
			{Op: dmaptest.OpOpen, Sticky: true}, {Op: dmaptest.OpList},
		} {
			// with the race detector every third write
			stride := testsize.Sizes{Short: 12, Race: 3, Usual: 1}.Step()
			fault.Nth = 1 + rand.IntN(stride)
			for breakAndResume(t, inner, n, fault) {
				fault.Nth += stride
			}
			require.True(t, fault.Nth > 1 || stride > 1)
		}
	})
}

func breakAndResume(t *testing.T, inner *blob.Bucket, n int, fault dmaptest.Fault) (hit bool) {
	t.Logf("%s of %s %d, sticky %t", fault.Kind, fault.Op, fault.Nth, fault.Sticky)
	prefix := fmt.Sprintf("%s%s%d%t%t/", fault.Kind, fault.Op, fault.Nth, fault.Sticky, fault.Err != nil)
	synctest.Test(t, func(t *testing.T) {
		bucket := blob.PrefixedBucket(inner, prefix) // closing it would close inner
		faults := dmaptest.NewFaultBucket(t, bucket)
		hits := faults.Inject(fault)
		var calls atomic.Int64
		_, err := job(t.Context(), faults.Bucket, n, &calls)
		hit = hits() > 0
		first := calls.Load()
		if err != nil {
			early, loadErr := results.Load(t.Context(), bucket, "out", "r")
			if loadErr == nil {
				requireGrouped(t, bucket)
			}
			if fault.Kind != dmaptest.Lost && fault.Op != dmaptest.OpOpen && !errors.Is(loadErr, results.ErrNoRun) {
				require.NoError(t, loadErr)
				require.Equal(t, results.Open, early.Status)
			}
		}
		stats, err := job(t.Context(), bucket, n, &calls)
		require.NoError(t, err)
		m := exactRecords(t, bucket, n)
		if strings.Contains(read(t, bucket, "out/r/manifest-000.json"), `"Groups"`) { // else the fault hit its index
			requireGrouped(t, bucket)
		}
		require.Equal(t, m.Stats.Succeeded, stats.Succeeded)
		again := calls.Load() - int64(n)
		require.LessOrEqual(t, again, int64(40), "of %d calls", first) // windows that did not count, and what was in flight
		_, err = job(t.Context(), bucket, n, &calls)
		require.NoError(t, err, "a run that has ended gives its Stats again")
		require.EqualValues(t, n+int(again), calls.Load())
	})
	return hit
}
