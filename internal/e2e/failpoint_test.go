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
	"github.com/go-dmap/dmap/sink"
)

// smallRun is a run of 200 rows with a handful of commits.
func smallRun(runID string) crashJob {
	return crashJob{Kind: "csv", N: 200, RunID: runID, Concurrency: 8, Pace: time.Millisecond, CommitEvery: 6 * time.Millisecond}
}

// TestAProcessMayEndAtAnyStep ends a process right before and right after each call that it makes to the bucket.
func TestAProcessMayEndAtAnyStep(t *testing.T) {
	place := t.TempDir()
	b, err := openPlace(t.Context(), place)
	require.NoError(t, err)
	closed(t, b)
	fillCrash(t, b, 200)
	steps, stride := 0, int(setting(t, "DMAP_CRASH_STRIDE", 9))
	first := 1 + rand.IntN(stride)
	t.Logf("every step: DMAP_CRASH_STRIDE=1; here from step %d on each %d", first, stride)
	for at, code := first, exitTrip; code == exitTrip; at += stride {
		job := smallRun(fmt.Sprintf("step-%d", at))
		job.Place, job.Log, job.ExitAt = place, filepath.Join(t.TempDir(), "log"), at
		var said string
		code, _, said = startChild(t, "TestCrash", job).wait()
		if code == exitTrip {
			steps++
			job.ExitAt, job.Process = 0, 1
			var again int
			again, _, said = startChild(t, "TestCrash", job).wait()
			require.Zero(t, again, "after step %d: %s", at, said)
		} else {
			require.Zero(t, code, said)
		}
		v := askOracle(t, b, job.RunID, job.N)
		require.True(t, v.clean(), "step %d: %+v", at, v)
		r := readLog(t, job.Log, job.Concurrency)
		require.LessOrEqual(t, r.again, r.allowed, "step %d", at)
	}
	t.Logf("a process ended at each of %d steps, and its run was resumed", steps)
	require.Greater(t, steps, 30/stride)
}

// TestEveryCallOfADurableRunMayGoWrong lets each call to the bucket go wrong in each way that there is, one run for each; what
// the fault broke off is resumed without it. In virtual time, as some faults are waited for.
func TestEveryCallOfADurableRunMayGoWrong(t *testing.T) {
	ends := map[string]int{}
	for _, fault := range []dmaptest.Fault{
		{Kind: dmaptest.Fail}, {Kind: dmaptest.Fail, Sticky: true}, {Kind: dmaptest.Short, After: 10}, {Kind: dmaptest.Reset, After: 10},
		{Kind: dmaptest.Stall, Sticky: true}, {Kind: dmaptest.Lost},
	} {
		for _, fault.Op = range []dmaptest.Op{
			dmaptest.OpOpen, dmaptest.OpRead, dmaptest.OpList, dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose, dmaptest.OpAttributes,
		} {
			if !applies(fault) {
				continue
			}
			for fault.Nth = 1; goesWrong(t, ends, fmt.Sprintf("%s of %s %d, sticky %t", fault.Kind, fault.Op, fault.Nth, fault.Sticky),
				func(b *dmaptest.FaultBucket) func() int { return b.Inject(fault) }); fault.Nth++ {
			}
		}
	}
	for at := int64(1); goesWrong(t, ends, fmt.Sprintf("panic at step %d", at), func(b *dmaptest.FaultBucket) func() int {
		var steps atomic.Int64
		b.Watch(func(c dmaptest.Call, _ bool) {
			if steps.Add(1) == at {
				panic("so much for the driver")
			}
		})
		return func() int { return int(min(1, steps.Load()/at)) }
	}); at++ {
	}
	t.Logf("ends of the runs that a fault hit: %v", ends)
	require.Greater(t, ends["resumed"], 100)
}

// goesWrong does one run with what inject lets happen, and resumes it until it has ended. It is false if nothing happened.
func goesWrong(t *testing.T, ends map[string]int, what string, inject func(*dmaptest.FaultBucket) func() int) (hit bool) {
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		defer func() { require.NoError(t, b.Close()) }()
		fillCrash(t, b, 200)
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
			ends["went through"]++
		} else {
			ends["resumed"]++
			var src *dmap.SourceError
			var snk *dmap.SinkError
			require.True(t, errors.As(err, &src) || errors.As(err, &snk), "%s: %v", what, err)
			require.NoError(t, runHere(t.Context(), b, job), what)
		}
		v := askOracle(t, b, "r", job.N)
		require.True(t, v.clean(), "%s: %+v", what, v)
	})
	if t.Failed() {
		t.Fatal(what)
	}
	return hit
}

// runHere runs job in this process.
func runHere(ctx context.Context, b *blob.Bucket, job crashJob) error {
	_, err := job.run(ctx, b, func(string, ...any) {}, sink.Bucket[squared](b, "runs"))
	return err
}

// TestARunMayBeSuspendedAtAnyCall suspends a run at each of its calls and resumes it.
func TestARunMayBeSuspendedAtAnyCall(t *testing.T) {
	const n = 200
	for at := range n {
		synctest.Test(t, func(t *testing.T) {
			b := memblob.OpenBucket(nil)
			defer func() { require.NoError(t, b.Close()) }()
			fillCrash(t, b, n)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var calls atomic.Int64
			job := smallRun("r")
			_, err := job.run(ctx, b, func(string, ...any) {
				if calls.Add(1) == int64(at)+1 {
					cancel(dmap.ErrSuspended)
				}
			}, sink.Bucket[squared](b, "runs"))
			require.ErrorIs(t, err, dmap.ErrSuspended)
			there, err := b.Exists(t.Context(), "runs/r/manifest.json")
			require.NoError(t, err)
			require.False(t, there, "a suspended run has not ended")
			require.NoError(t, runHere(t.Context(), b, job))
			v := askOracle(t, b, "r", n)
			require.True(t, v.clean(), "call %d: %+v", at, v)
		})
	}
}
