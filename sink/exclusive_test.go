package sink_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/sink"
)

// careless is a store that replaces objects which are to be created only if there is none.
func careless(t *testing.T) *dmaptest.FaultBucket {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Sticky: true, Kind: dmaptest.Overwrite})
	return bucket
}

func TestAStoreThatReplacesObjectsIsRefusedBeforeTheFirstCall(t *testing.T) {
	bucket := careless(t)
	var calls atomic.Int64
	for range 3 { // the first call begins the run, the others resume it
		_, err := job(t.Context(), bucket.Bucket, 20, &calls)
		require.ErrorIs(t, err, publish.ErrNotExclusive)
		require.ErrorContains(t, err, "out/r/")
		require.ErrorContains(t, err, "BucketOptions.Express")
		require.NotErrorIs(t, err, dmap.ErrFenced)
		require.NotErrorIs(t, err, dmap.ErrOpen, "the same call does not help")
		require.Equal(t, 78, dmap.ExitCode(err))
	}
	require.Zero(t, calls.Load())
	bucket.Heal()
	_, err := job(t.Context(), bucket.Bucket, 20, &calls)
	require.NoError(t, err)
	exact(t, bucket.Bucket, 20)
}

func TestTwoProcessesOnAStoreThatReplacesObjectsCallNothing(t *testing.T) {
	for range 20 {
		bucket := careless(t)
		var calls atomic.Int64
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := job(t.Context(), bucket.Bucket, 20, &calls)
				if err == nil {
					t.Error("a process did not find out that the store replaces objects")
				}
			})
		}
		wg.Wait()
		require.Zero(t, calls.Load())
	}
}

// A store may have become careless between two processes, and may be careful about old objects
// only.
func TestAStoreIsProbedAgainByAProcessThatResumes(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	suspended(t, bucket.Bucket, 300)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Key: "commits/", Sticky: true, Kind: dmaptest.Overwrite})
	var calls atomic.Int64
	_, err := job(t.Context(), bucket.Bucket, 300, &calls)
	require.ErrorIs(t, err, publish.ErrNotExclusive)
	require.Zero(t, calls.Load())
	bucket.Heal()
	_, err = job(t.Context(), bucket.Bucket, 300, &calls)
	require.NoError(t, err)
	exact(t, bucket.Bucket, 300)
}

func TestEndProbesTheStoreThatIsToFenceARunner(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	suspended(t, bucket.Bucket, 300)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Key: "commits/", Sticky: true, Kind: dmaptest.Overwrite})
	err := sink.End(t.Context(), bucket.Bucket, "out", "r")
	require.ErrorIs(t, err, publish.ErrNotExclusive)
	require.ErrorContains(t, err, "stop")
	requireOpen(t, bucket.Bucket)
	bucket.Heal()
	require.NoError(t, sink.End(t.Context(), bucket.Bucket, "out", "r"))
	requireEnded(t, bucket.Bucket, 300)
}

// The probe costs one request of a process.
func TestAProcessProbesTheStoreOnce(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	var calls atomic.Int64
	_, err := job(t.Context(), bucket.Bucket, 20, &calls)
	require.NoError(t, err)
	require.Equal(t, len(keys(t, bucket.Bucket))+1, bucket.Calls(dmaptest.OpCreate))
	before := bucket.Calls(dmaptest.OpCreate)
	_, err = job(t.Context(), bucket.Bucket, 20, &calls)
	require.NoError(t, err, "it has ended")
	require.Equal(t, before, bucket.Calls(dmaptest.OpCreate))
}

func TestARunWithoutAJournalNeedsNoExclusiveStore(t *testing.T) {
	bucket := careless(t)
	var calls atomic.Int64
	_, err := job(t.Context(), bucket.Bucket, 20, &calls, sink.BucketOptions{Express: true})
	require.NoError(t, err)
	require.EqualValues(t, 20, calls.Load())
}
