package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// smallRun is a run of 200 rows with a few commits.
func smallRun(runID string) crashJob {
	return crashJob{Kind: "csv", N: 200, RunID: runID, Concurrency: 8, Pace: time.Millisecond, CommitEvery: 6 * time.Millisecond}
}

// TestRunSurvivesProcessExitAtAnyStep exits a process immediately before and after each of its
// calls to the bucket, and resumes the run.
func TestRunSurvivesProcessExitAtAnyStep(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	b, err := openPlace(t.Context(), place)
	require.NoError(t, err)
	closeAtEnd(t, b)
	writeCrashRows(t, b, 200)
	stride := int(setting(t, "DMAP_CRASH_STRIDE", uint64(testsize.Sizes{Race: 18, Usual: 6}.Step())))
	first := 1 + rand.IntN(stride)
	t.Logf("DMAP_CRASH_STRIDE=1 tests every step; this run starts at step %d with stride %d", first, stride)
	var steps atomic.Int64
	const workers = 2 // each takes every second step, until a process ends before its step comes
	t.Run("steps", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for at := first + worker*stride; exitAtAndResume(t, place, b, at); at += workers * stride {
					steps.Add(1)
				}
			})
		}
	})
	t.Logf("a process ended at each of %d steps, and its run was resumed", steps.Load())
	require.Greater(t, int(steps.Load()), 30/stride)
}

// exitAtAndResume starts a run whose first process exits at a step, resumes it, and checks it.
// exited is false if the run ended before the step.
func exitAtAndResume(t *testing.T, place string, b *blob.Bucket, at int) (exited bool) {
	t.Helper()
	job := smallRun(fmt.Sprintf("step-%d", at))
	job.Place, job.Log, job.ExitAt = place, filepath.Join(t.TempDir(), "log"), at
	code, _, output := startChild(t, "TestCrash", job).wait()
	if exited = code == exitAtStep; exited {
		job.ExitAt, job.Process = 0, 1
		code, _, output = startChild(t, "TestCrash", job).wait()
	}
	require.Zero(t, code, "after step %d: %s", at, output)
	v := checkRun(t, b, job.RunID, job.N)
	require.True(t, v.clean(), "step %d: %+v", at, v)
	r := readLog(t, job.Log, job.Concurrency)
	require.LessOrEqual(t, r.again, r.allowed, "step %d", at)
	return exited
}

// TestRunSurvivesAFaultInAnyBucketCall injects each kind of fault into each call to the bucket, in
// one run each, and resumes an interrupted run without the fault. It uses virtual time, because
// some faults cause waits.
func TestRunSurvivesAFaultInAnyBucketCall(t *testing.T) {
	var ends outcomes
	first, stride := stride(t, testsize.Sizes{Race: 6, Usual: 2, Long: 1})
	t.Run("faults", func(t *testing.T) {
		for _, fault := range []dmaptest.Fault{
			{Kind: dmaptest.Fail}, {Kind: dmaptest.Fail, Sticky: true}, {Kind: dmaptest.Short, After: 10}, {Kind: dmaptest.Reset, After: 10},
			{Kind: dmaptest.Stall, Sticky: true}, {Kind: dmaptest.Lost},
		} {
			t.Run(fmt.Sprintf("%s, sticky %t", fault.Kind, fault.Sticky), func(t *testing.T) {
				t.Parallel()
				for _, fault.Op = range []dmaptest.Op{
					dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose, dmaptest.OpAttributes,
				} {
					if !applies(fault) {
						continue
					}
					for fault.Nth = first; runWithFault(t, &ends, fmt.Sprintf("%s of %s %d, sticky %t", fault.Kind, fault.Op, fault.Nth, fault.Sticky),
						func(b *dmaptest.FaultBucket) func() int { return b.Inject(fault) }); fault.Nth += stride {
					}
				}
			})
		}
		t.Run("panic", func(t *testing.T) {
			t.Parallel()
			for at := int64(first); runWithFault(t, &ends, fmt.Sprintf("panic at step %d", at), func(b *dmaptest.FaultBucket) func() int {
				var steps atomic.Int64
				b.Watch(func(c dmaptest.Call, _ bool) {
					if steps.Add(1) == at {
						panic("injected into the driver")
					}
				})
				return func() int { return int(min(1, steps.Load()/at)) }
			}); at += int64(stride) {
			}
		})
	})
	t.Logf("%d runs with a fault succeeded, %d were resumed", ends.succeeded.Load(), ends.resumed.Load())
	require.Greater(t, int(ends.resumed.Load()), 100/stride)
}

// outcomes counts the runs with a fault.
type outcomes struct{ succeeded, resumed atomic.Int64 }

// requireSorted checks that the groups of a run without an index have all its failures.
func requireSorted(t *testing.T, b *blob.Bucket, runID string) {
	t.Helper()
	run, err := results.Load(t.Context(), b, "runs", runID)
	require.NoError(t, err)
	groups, err := results.Groups(t.Context(), b, run)
	require.NoError(t, err)
	sum := int64(0)
	for _, g := range groups {
		sum += g.Count
	}
	require.Equal(t, run.Stats.Failed, sum)
}

// runWithFault executes one run with an injected fault, and resumes it if it was interrupted. hit
// is false if the fault did not occur.
func runWithFault(t *testing.T, ends *outcomes, what string, inject func(*dmaptest.FaultBucket) func() int) (hit bool) {
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		defer func() { require.NoError(t, b.Close()) }()
		writeCrashRows(t, b, 200)
		faults := dmaptest.NewFaultBucket(t, b)
		hits := inject(faults)
		job := smallRun("r")
		err := runHere(t.Context(), faults.Bucket, job)
		hit = hits() > 0
		if !hit {
			require.NoError(t, err, what)
			return
		}
		if err == nil {
			ends.succeeded.Add(1)
		} else {
			ends.resumed.Add(1)
			var src *dmap.SourceError
			var snk *dmap.SinkError
			require.True(t, errors.As(err, &src) || errors.As(err, &snk), "%s: %v", what, err)
			require.NoError(t, runHere(t.Context(), b, job), what)
		}
		v := checkRun(t, b, "r", job.N)
		if v.unindexed { // the fault hit the groups: the run ends without them, and readers sort the records
			requireSorted(t, b, "r")
			v.unindexed = false
		}
		require.True(t, v.clean(), "%s: %+v", what, v)
	})
	if t.Failed() {
		t.Fatal(what)
	}
	return hit
}

// runHere executes job in this process.
func runHere(ctx context.Context, b *blob.Bucket, job crashJob) error {
	_, err := job.run(ctx, b, func(string, ...any) {}, sink.Bucket[squared](b, "runs"))
	return err
}

// TestRunResumesAfterSuspensionAtAnyCall suspends a run at each of its calls and resumes it.
func TestRunResumesAfterSuspensionAtAnyCall(t *testing.T) {
	const n = 200
	first, stride := stride(t, testsize.Sizes{Short: 12, Race: 9, Usual: 3, Long: 1})
	for at := first; at <= n; at += stride {
		synctest.Test(t, func(t *testing.T) {
			b := memblob.OpenBucket(nil)
			defer func() { require.NoError(t, b.Close()) }()
			writeCrashRows(t, b, n)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var calls atomic.Int64
			job := smallRun("r")
			_, err := job.run(ctx, b, func(string, ...any) {
				if calls.Add(1) == int64(at) {
					cancel(dmap.ErrSuspended)
				}
			}, sink.Bucket[squared](b, "runs"))
			require.ErrorIs(t, err, dmap.ErrSuspended)
			there, err := b.Exists(t.Context(), "runs/r/manifest-000.json")
			require.NoError(t, err)
			require.False(t, there, "a suspended run has not ended")
			require.NoError(t, runHere(t.Context(), b, job))
			v := checkRun(t, b, "r", n)
			require.True(t, v.clean(), "call %d: %+v", at, v)
		})
	}
}
