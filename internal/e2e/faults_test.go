package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// judge checks a run of the job over n objects after any fault: either the results are complete
// and right, or err says what failed. A manifest must always be true. b is the bucket below the
// faults. The objects of the numbers in refused cannot be read.
func judge(t *testing.T, b *blob.Bucket, runID string, n int, err error, refused ...int) {
	t.Helper()
	held, lookup := b.Exists(context.WithoutCancel(t.Context()), "runs/"+runID+"/manifest-000.json")
	require.NoError(t, lookup)
	if err == nil {
		require.True(t, held, "a run without an error has a manifest")
		f := openFolder(t, b, "runs/"+runID)
		require.Equal(t, "SUCCEEDED", f.manifest.Status)
		f.complete(t, n, refused...)
		return
	}
	requireTypedError(t, err)
	if held {
		f := openFolder(t, b, "runs/"+runID)
		require.NotEqual(t, "SUCCEEDED", f.manifest.Status, "the run failed: %v", err)
		f.consistent(t, n)
	}
}

// requireTypedError checks that err has a documented type and names the object that failed.
func requireTypedError(t *testing.T, err error) {
	t.Helper()
	var tolerance *dmap.ToleranceError
	var src *dmap.SourceError
	var snk *dmap.SinkError
	switch {
	case errors.As(err, &snk):
		require.ErrorContains(t, snk, "runs/", "a sink's error names the object")
	case errors.As(err, &src):
		require.ErrorContains(t, src, "data/", "a source's error names the prefix")
	case errors.As(err, &tolerance):
		require.NotEmpty(t, tolerance.First)
		for _, item := range tolerance.First {
			require.NotEmpty(t, item.Key)
			require.ErrorContains(t, item, item.Key)
		}
	default:
		require.Fail(t, "untyped error", "%v", err)
	}
}

// refused is the number of the object that some faults are limited to.
const refused = 5

// bucketFaults returns faults for the calls that a job makes.
func bucketFaults() map[string]dmaptest.Fault {
	return map[string]dmaptest.Fault{
		"open fails":                       {Op: dmaptest.OpOpen, Key: "data/"},
		"open is refused":                  {Op: dmaptest.OpOpen, Key: objectKey(refused), Code: gcerrors.PermissionDenied},
		"open is reset":                    {Op: dmaptest.OpOpen, Key: "data/", Err: syscall.ECONNRESET},
		"read fails":                       {Op: dmaptest.OpRead, Key: "data/"},
		"body is reset":                    {Op: dmaptest.OpOpen, Key: "data/", Kind: dmaptest.Reset, After: 3},
		"body is short":                    {Op: dmaptest.OpOpen, Key: "data/", Kind: dmaptest.Short, After: 3},
		"listing fails":                    {Op: dmaptest.OpList},
		"listing is throttled":             {Op: dmaptest.OpList, Code: gcerrors.ResourceExhausted},
		"run.json fails":                   {Op: dmaptest.OpClose, Key: "run.json"},
		"run.json is written, answer lost": {Op: dmaptest.OpClose, Key: "run.json", Kind: dmaptest.Lost},
		"part fails":                       {Op: dmaptest.OpClose, Key: "SUCCEEDED_"},
		"part cannot be opened":            {Op: dmaptest.OpCreate, Key: "SUCCEEDED_"},
		"part breaks off":                  {Op: dmaptest.OpWrite, Key: "SUCCEEDED_", Err: syscall.EPIPE},
		"part is written, answer lost":     {Op: dmaptest.OpClose, Key: "SUCCEEDED_", Kind: dmaptest.Lost, Err: syscall.ECONNRESET},
		"failures fail":                    {Op: dmaptest.OpClose, Key: "FAILED_", Code: gcerrors.ResourceExhausted},
		"manifest fails":                   {Op: dmaptest.OpClose, Key: "manifest-000.json"},
		"manifest is written, answer lost": {Op: dmaptest.OpClose, Key: "manifest-000.json", Kind: dmaptest.Lost},
	}
}

func TestBucketFaultsNeverLoseResults(t *testing.T) {
	const n = 24
	onEachStore(t, func(t *testing.T, s store) {
		skipServerWithRaceDetector(t, s)
		b := s.bucket(t)
		fill(t, b, n)
		for name, fault := range bucketFaults() {
			for _, sticky := range []bool{false, true} {
				fault := fault // the subtests run in parallel
				fault.Sticky = sticky
				t.Run(fmt.Sprintf("%s/sticky=%t", name, sticky), func(t *testing.T) {
					t.Parallel()
					faults := dmaptest.NewFaultBucket(t, b)
					hits := faults.Inject(fault)
					opts := options(unique())
					if fault.Sticky {
						opts.Retry.MaxAttempts = 2
					}
					_, err := runJob(t.Context(), faults.Bucket, faults.Bucket, opts)
					require.Positive(t, hits())
					if err != nil {
						require.True(t, errors.Is(err, dmaptest.ErrInjected) || errors.Is(err, dmap.ErrTolerance), "%v", err)
					}
					if fault.Key == objectKey(refused) && fault.Sticky {
						judge(t, b, opts.RunID, n, err, refused)
					} else {
						judge(t, b, opts.RunID, n, err)
					}
				})
			}
		}
	})
}

// TestJobSurvivesOneFaultInAnyBucketCall injects each kind of fault into each call to the bucket,
// in one run each. It uses virtual time, because some faults cause waits.
func TestJobSurvivesOneFaultInAnyBucketCall(t *testing.T) {
	const n = 12
	first, stride := stride(t, testsize.Sizes{Race: 3, Usual: 1})
	var runs atomic.Int64
	t.Run("faults", func(t *testing.T) {
		for _, op := range []dmaptest.Op{
			dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose,
		} {
			t.Run(string(op), func(t *testing.T) {
				t.Parallel()
				for _, fault := range []dmaptest.Fault{
					{Kind: dmaptest.Fail},
					{Kind: dmaptest.Fail, Err: syscall.ECONNRESET},
					{Kind: dmaptest.Fail, Code: gcerrors.NotFound},
					{Kind: dmaptest.Slow, Delay: time.Minute},
					{Kind: dmaptest.Reset, After: 1},
					{Kind: dmaptest.Short, After: 1},
					{Kind: dmaptest.Lost},
				} {
					fault.Op = op
					if !applies(fault) {
						continue
					}
					for fault.Nth = first; jobMeetsFault(t, n, fault); fault.Nth += stride {
						runs.Add(1)
					}
				}
			})
		}
	})
	t.Logf("%d runs", runs.Load())
	require.Greater(t, int(runs.Load()), 100/stride)
}

// jobMeetsFault runs the job over n objects with a fault, and checks it. hit is false if the fault
// did not occur.
func jobMeetsFault(t *testing.T, n int, fault dmaptest.Fault) (hit bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		defer func() { require.NoError(t, b.Close()) }()
		fill(t, b, n)
		faults := dmaptest.NewFaultBucket(t, b)
		hits := faults.Inject(fault)
		opts := options("every")
		opts.MaxConcurrency = 1 // the n-th call is the same each time
		_, err := runJob(t.Context(), faults.Bucket, faults.Bucket, opts)
		hit = hits() > 0
		t.Logf("%s of %s %d: hit %t, error %v", fault.Kind, fault.Op, fault.Nth, hit, err)
		judge(t, b, "every", n, err)
	})
	if t.Failed() {
		t.Fatalf("%s of %s %d (%v)", fault.Kind, fault.Op, fault.Nth, fault.Err)
	}
	return hit
}

// applies reports whether a kind of fault is possible for its operation.
func applies(f dmaptest.Fault) bool {
	body := f.Op == dmaptest.OpOpen || f.Op == dmaptest.OpRead
	switch f.Kind {
	case dmaptest.Reset, dmaptest.Short:
		return body
	case dmaptest.Lost:
		return f.Op == dmaptest.OpClose
	default:
		return true
	}
}

func TestStalledReadFailsItsItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		defer func() { require.NoError(t, b.Close()) }()
		fill(t, b, 20)
		faults := dmaptest.NewFaultBucket(t, b)
		faults.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: objectKey(4), Kind: dmaptest.Stall, Sticky: true})
		faults.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Key: objectKey(6), Kind: dmaptest.Stall, Sticky: true})
		stats, err := runJob(t.Context(), faults.Bucket, faults.Bucket, options("stalled"))
		require.NoError(t, err)
		require.EqualValues(t, 5, stats.Failed)
		f := openFolder(t, b, "runs/stalled")
		f.consistent(t, 20)
		require.Equal(t, "timeout", f.records["FAILED"][objectKey(4)].Class)
		require.Equal(t, "timeout", f.records["FAILED"][objectKey(6)].Class)
	})
}

func TestStalledWriteFailsTheRun(t *testing.T) {
	for _, key := range []string{"run.json", "SUCCEEDED_", "FAILED_", "manifest-000.json"} {
		t.Run(key, func(t *testing.T) {
			stalledWrites(t, key, 20, func(t *testing.T, faults, b *blob.Bucket) {
				begun := time.Now()
				_, err := runJob(t.Context(), faults, faults, options("stalled"))
				var broken *dmap.SinkError
				require.ErrorAs(t, err, &broken)
				require.ErrorContains(t, err, key)
				require.Less(t, time.Since(begun), 15*time.Minute)
				judge(t, b, "stalled", 20, err)
			})
		})
	}
}

func TestCanceledRunDoesNotWaitForAStalledWrite(t *testing.T) {
	for _, key := range []string{"run.json", "SUCCEEDED_"} {
		t.Run(key, func(t *testing.T) {
			const n = 200 // enough that the calls wait for the parts
			stalledWrites(t, key, n, func(t *testing.T, faults, b *blob.Bucket) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				why := errors.New("the machine is shut down")
				time.AfterFunc(10*time.Second, func() { cancel(why) })
				opts := options("stalled")
				begun := time.Now()
				_, err := runJob(ctx, faults, faults, opts)
				require.ErrorIs(t, err, why)
				require.LessOrEqual(t, time.Since(begun), 10*time.Second+opts.DrainTimeout)
			})
		})
	}
}

// stalledWrites runs test in virtual time on a bucket with n objects. Writes of keys that contain
// key never return.
func stalledWrites(t *testing.T, key string, n int, test func(t *testing.T, faults, below *blob.Bucket)) {
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		defer func() { require.NoError(t, b.Close()) }()
		fill(t, b, n)
		faults := dmaptest.NewFaultBucket(t, b)
		faults.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Key: key, Kind: dmaptest.Stall, Sticky: true})
		test(t, faults.Bucket, b)
	})
}

func TestFolderOfAnEndedRunIsNotReused(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 10)
		first, err := runJob(t.Context(), b, b, options("taken"))
		require.NoError(t, err)
		before := read(t, b, "runs/taken/manifest-000.json")
		again, err := runJob(t.Context(), b, b, options("taken"))
		require.NoError(t, err, "the run has already ended")
		require.Equal(t, first.Succeeded, again.Succeeded)
		_, err = dmap.Map(t.Context(), source.Objects(b, "data/"), square, options("taken"), express(b))
		require.ErrorIs(t, err, sink.ErrRunExists)
		require.ErrorContains(t, err, "runs/taken/")
		require.Equal(t, before, read(t, b, "runs/taken/manifest-000.json"))
		f := openFolder(t, b, "runs/taken")
		f.complete(t, 10)
		f.hasNoOtherObjects(t, b)
	})
}
