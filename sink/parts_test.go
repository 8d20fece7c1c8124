package sink_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// one is a Write of a single result.
func one[R any](r dmap.Result[R]) []dmap.Result[R] { return []dmap.Result[R]{r} }

func TestPartsRollBySize(t *testing.T) {
	bucket := memory(t)
	f := begun[string](t, bucket, sink.BucketOptions{PartBytes: 1000})
	text := strings.Repeat("x", 200) // 3 records fit
	for n := range 10 {
		require.NoError(t, f.Write(t.Context(), one(row(n, text))))
	}
	require.NoError(t, f.Write(t.Context(), one(row(10, strings.Repeat("y", 5000)))))
	m := ended(t, bucket, f, dmap.Ending{})
	var records []int64
	for _, p := range m.SucceededParts {
		records = append(records, p.Records)
	}
	require.Equal(t, []int64{3, 3, 3, 1, 1}, records)
	require.Greater(t, m.SucceededParts[4].Size, int64(5000), "a record larger than a part is a part of its own")
	for i, r := range collect(t, results.Successes[string](t.Context(), bucket, m)) {
		require.EqualValues(t, i, r.Offset, "one writer's records stay in order")
	}
}

func TestOneLargeWriteBecomesManyParts(t *testing.T) {
	bucket := memory(t)
	f := begun[string](t, bucket, sink.BucketOptions{PartBytes: 4 << 10})
	var large []dmap.Result[string]
	for n := range 1000 {
		large = append(large, row(n, strings.Repeat("x", 100)))
	}
	require.NoError(t, f.Write(t.Context(), large))
	m := ended(t, bucket, f, dmap.Ending{})
	require.Greater(t, len(m.SucceededParts), 20)
	require.Len(t, collect(t, results.Successes[string](t.Context(), bucket, m)), 1000)
}

func TestPartsRollByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		f := begun[int](t, bucket, sink.BucketOptions{PartAge: 10 * time.Second})
		parts := func() int { return len(keys(t, bucket)) - 1 } // without run.json
		require.NoError(t, f.Write(t.Context(), one(row(0, 0))))
		time.Sleep(6 * time.Second)
		require.NoError(t, f.Write(t.Context(), one(row(1, 0))))
		time.Sleep(4*time.Second - time.Nanosecond)
		require.NoError(t, f.Write(t.Context(), one(failure(2, errors.New("bad")))))
		require.Zero(t, parts())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 1, parts(), "ten seconds after its first record, not its last")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 2, parts(), "an empty part never becomes an object")
		require.NoError(t, f.Write(t.Context(), one(row(3, 0))))
		m := ended(t, bucket, f, dmap.Ending{})
		require.Len(t, m.SucceededParts, 2)
		require.EqualValues(t, 2, m.SucceededParts[0].Records)
		require.Len(t, m.FailedParts, 1)
	})
}

func TestPartsAreClosedAfterThirtySecondsByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		f := begun[int](t, bucket)
		require.NoError(t, f.Write(t.Context(), one(row(0, 0))))
		time.Sleep(sink.DefaultPartAge)
		synctest.Wait()
		require.Len(t, keys(t, bucket), 2)
		ended(t, bucket, f, dmap.Ending{})
	})
}

func TestWritersWaitForSlowUploadsAndLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: ".jsonl", Sticky: true, Kind: dmaptest.Slow, Delay: time.Second})
		f := begun[string](t, bucket.Bucket, sink.BucketOptions{PartBytes: 100})
		begin := time.Now()
		for n := range 30 {
			require.NoError(t, f.Write(t.Context(), one(row(n, "x")))) // each fills a part
		}
		// Three parts are alive at once, so at most three uploads run.
		require.Equal(t, 9*time.Second, time.Since(begin))
		m := ended(t, bucket.Bucket, f, dmap.Ending{})
		require.Equal(t, 10*time.Second, time.Since(begin))
		require.Len(t, collect(t, results.Successes[string](t.Context(), bucket.Bucket, m)), 30)
	})
}

func TestAWriterThatMayNotWaitReportsTheLostRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		f := begun[int](t, bucket.Bucket, sink.BucketOptions{PartBytes: 100})
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Kind: dmaptest.Stall})
		why := errors.New("drain timeout")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
		defer cancel()
		for n := range 3 { // these are in parts
			require.NoError(t, f.Write(ctx, one(row(n, 0))))
		}
		err := f.Write(ctx, []dmap.Result[int]{row(3, 0), row(4, 0), failure(5, errors.New("bad"))})
		lost, ok := errors.AsType[*sink.LostError](err)
		require.True(t, ok, "%v", err)
		require.ErrorIs(t, err, why)
		require.Equal(t, results.Lost{Status: "SUCCEEDED", Records: 2, First: "rows.csv@3", Last: "rows.csv@4", Error: "drain timeout"}, lostOf(lost))

		err = f.Flush(ctx) // ends the uploads too
		require.ErrorIs(t, err, why)
		require.ErrorContains(t, err, `lost 1 SUCCEEDED records, items "rows.csv@0" to "rows.csv@0": create "out/r/SUCCEEDED_`)
		bucket.Heal()
		require.NoError(t, f.End(t.Context(), dmap.Ending{}))
		m, err := results.Load(t.Context(), bucket.Bucket, "out", "r")
		require.NoError(t, err)
		require.Equal(t, results.Failed, m.Status, "a run that lost records has not succeeded")
		var sum int64
		for _, l := range m.Lost {
			sum += l.Records
		}
		require.EqualValues(t, 6, sum)
		left := keys(t, bucket.Bucket)
		require.Len(t, left, 3)
		require.Contains(t, left[0], "out/r/GROUPS_", "an item has failed, although its record is lost")
		require.Equal(t, []string{"out/r/manifest-000.json", "out/r/run.json"}, left[1:])
	})
}

// refused is the answer of a store to a request that it throttles.
type refused struct{}

func (refused) Error() string       { return "busy" }
func (refused) HTTPStatusCode() int { return 503 }

// No commit can follow the loss of a part, so the part that is open meanwhile is not tried.
func TestAStoreThatRefusesEveryPartCostsTheTimeOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: "SUCCEEDED_", Sticky: true, Err: refused{}})
		bucket.Record(dmaptest.OpClose)
		begin := time.Now()
		_, err := dmap.Map(t.Context(), source.Slice(make([]int, 24)), func(ctx context.Context, _ int) (int, error) {
			if info, _ := dmap.InfoFrom(ctx); info.Index%2 == 1 { // of a later window than the others
				time.Sleep(1500 * time.Millisecond)
			}
			return 0, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 24}, sink.Bucket[int](bucket.Bucket, "out", sink.BucketOptions{}))
		var lost *sink.LostError
		require.ErrorAs(t, err, &lost)
		require.ErrorIs(t, err, refused{})
		require.Less(t, lost.Records, int64(24), "the rest waits for a later part")
		require.Less(t, time.Since(begin), 150*time.Second)
	})
}

func TestTheManifestIsWrittenLastAndRunJSONFirst(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t))
	bucket.Record(dmaptest.OpClose)
	f := begun[int](t, bucket.Bucket, sink.BucketOptions{PartBytes: 100})
	for n := range 20 {
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(n, 0), failure(n, errors.New("bad"))}))
	}
	ended(t, bucket.Bucket, f, dmap.Ending{Pending: []dmap.Pending{{Info: dmap.Info{Key: "k"}}}})
	log := bucket.Log()
	require.Equal(t, "out/r/run.json", log[0].Key)
	require.Equal(t, "out/r/manifest-000.json", log[len(log)-1].Key)
	require.Contains(t, log[len(log)-2].Key, "out/r/GROUPS_")
	require.Len(t, log, 2+20+20+1+1)
	require.Zero(t, bucket.Calls(dmaptest.OpList), "nothing is ever listed")
}

// discard is a store that counts what it gets and keeps nothing.
type discard struct {
	driver.Bucket
	bytes, open, peak atomic.Int64
}

func (d *discard) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (d *discard) Close() error                       { return nil }
func (d *discard) NewTypedWriter(context.Context, string, string, *driver.WriterOptions) (driver.Writer, error) {
	d.peak.Store(max(d.peak.Load(), d.open.Add(1)))
	return &discardWriter{d: d}, nil
}

type discardWriter struct{ d *discard }

func (w *discardWriter) Write(p []byte) (int, error) {
	w.d.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (w *discardWriter) Close() error {
	w.d.open.Add(-1)
	return nil
}

func TestMemoryStaysWithinAFewParts(t *testing.T) {
	const partBytes = 1 << 20
	store := new(discard)
	bucket := blob.NewBucket(store)
	defer bucket.Close()
	f := begun[string](t, bucket, sink.BucketOptions{PartBytes: partBytes})
	live := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	results := one(row(0, strings.Repeat("x", 4000)))
	before, peak := live(), int64(0)
	for n := range 25_000 {
		require.NoError(t, f.Write(t.Context(), results))
		if n%500 == 0 {
			peak = max(peak, live())
		}
	}
	require.NoError(t, f.Flush(t.Context()))
	require.NoError(t, f.End(t.Context(), dmap.Ending{}))
	require.Greater(t, store.bytes.Load(), int64(90*partBytes))
	require.LessOrEqual(t, store.peak.Load(), int64(3))
	require.Less(t, peak-before, int64(4*partBytes), "three parts and an encoder")
}

func TestWritersThatWaitForUploadsHoldNoRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers, partBytes = 300, 100 << 10
		bucket := dmaptest.NewFaultBucket(t, memory(t))
		f := begun[string](t, bucket.Bucket, sink.BucketOptions{PartBytes: partBytes})
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Kind: dmaptest.Stall})
		text := strings.Repeat("x", 1000)
		results := make([]dmap.Result[string], 50)
		for i := range results {
			results[i] = row(i, text)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		live := func() int64 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			return int64(stats.HeapAlloc)
		}
		before := live()
		errs := make(chan error, writers)
		for range writers {
			go func() { errs <- f.Write(ctx, results) }()
		}
		synctest.Wait() // three parts are full, and nothing is uploaded
		require.Less(t, len(errs), 10, "the others wait")
		held := live() - before
		why := errors.New("enough")
		cancel(why)
		var lost int
		for range writers {
			if err := <-errs; err != nil {
				require.ErrorIs(t, err, why)
				lost++
			}
		}
		require.Positive(t, lost)
		require.Error(t, f.Flush(ctx))
		bucket.Heal()
		require.NoError(t, f.End(t.Context(), dmap.Ending{}))
		encoded := int64(writers * len(results) * len(text))
		require.Less(t, held, encoded/5, "%d writers hold more than their goroutines", writers)
	})
}

func TestSmallRunsNeedNoFullBuffer(t *testing.T) {
	bucket := blob.NewBucket(new(discard))
	defer bucket.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f := begun[int](t, bucket)
	require.NoError(t, f.Write(t.Context(), one(row(0, 0))))
	require.NoError(t, f.Flush(t.Context()))
	runtime.ReadMemStats(&after)
	require.NoError(t, f.End(t.Context(), dmap.Ending{}))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestPartsOfTwoWritersNeverShareAName(t *testing.T) {
	bucket := memory(t)
	var all []string
	for _, id := range []string{"r1", "r2"} {
		f := sink.Bucket[int](bucket, "out")
		require.NoError(t, f.Begin(t.Context(), dmap.RunSpec{RunID: id}))
		require.NoError(t, f.Write(t.Context(), one(row(0, 0))))
		require.NoError(t, f.Flush(t.Context()))
		require.NoError(t, f.End(t.Context(), dmap.Ending{}))
		m, err := results.Load(t.Context(), bucket, "out", id)
		require.NoError(t, err)
		all = append(all, strings.TrimPrefix(m.SucceededParts[0].Key, "out/"+id))
	}
	require.NotEqual(t, all[0], all[1])
	require.Len(t, slices.Compact(all), 2)
}

// A Write that races with End is either in the manifest or an error.
func TestAWriteAfterTheEndIsAnError(t *testing.T) {
	for range 50 {
		bucket := memory(t)
		f := begun[int](t, bucket)
		late := make(chan error)
		go func() { late <- f.Write(t.Context(), one(row(0, 1))) }()
		require.NoError(t, f.End(t.Context(), dmap.Ending{}))
		err := <-late
		m, loadErr := results.Load(t.Context(), bucket, "out", "r")
		require.NoError(t, loadErr)
		if n := len(collect(t, results.Successes[int](t.Context(), bucket, m))); err == nil {
			require.Equal(t, 1, n)
		} else {
			require.Zero(t, n, "%v", err)
		}
	}
}
