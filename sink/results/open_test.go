package results_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// oddFails takes a second for each item and fails the odd ones.
func oddFails(ctx context.Context, n int) (string, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if n%2 == 1 {
		return "", errors.New("odd")
	}
	return "even", nil
}

func begin(ctx context.Context, t *testing.T, bucket *blob.Bucket, options ...sink.BucketOptions) *dmap.Run {
	t.Helper()
	run, err := dmap.Start(ctx, countTo(100), oddFails, dmap.Options{
		RunID: "r", MaxConcurrency: 2, CommitEvery: 3 * time.Second, Tolerance: dmap.Tolerance{Percentage: 60},
	}, sink.Bucket[string](bucket, "runs/", options...))
	require.NoError(t, err)
	return run
}

// requireCounts reads the records of a run, which must be those that its Stats count, each item
// once.
func requireCounts(t *testing.T, bucket *blob.Bucket) *results.Run {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, s := range collect(t, results.Successes[string](t.Context(), bucket, r)) {
		require.Equal(t, "even", s.Output)
		seen[s.ID] = true
	}
	require.Len(t, seen, int(r.Stats.Succeeded))
	for _, f := range collect(t, results.Failures(t.Context(), bucket, r)) {
		require.Equal(t, "odd", f.Error)
		seen[f.ID] = true
	}
	for _, p := range collect(t, results.Pending(t.Context(), bucket, r)) {
		seen[p.ID] = true
	}
	require.Len(t, seen, int(r.Stats.Succeeded+r.Stats.Failed+r.Stats.Pending))
	require.Equal(t, r.Stats.Read, r.Stats.Succeeded+r.Stats.Failed+r.Stats.Skipped+r.Stats.Pending)
	return r
}

func TestARunIsReadWhileItWorksAndAfterEachWayToStop(t *testing.T) {
	for name, test := range map[string]struct {
		stop   func(run *dmap.Run, cancel context.CancelCauseFunc)
		status results.Status
		reason string
	}{
		"suspended": {func(run *dmap.Run, _ context.CancelCauseFunc) { run.Suspend() }, results.Open, "suspended"},
		"context":   {func(_ *dmap.Run, cancel context.CancelCauseFunc) { cancel(errors.New("deploy")) }, results.Open, "context"},
		"canceled":  {func(run *dmap.Run, _ context.CancelCauseFunc) { run.Cancel(nil) }, results.Canceled, "canceled"},
		"tolerance": {func(run *dmap.Run, _ context.CancelCauseFunc) { _ = run.SetTolerance(dmap.Tolerance{}) }, results.Failed, "tolerance"},
		"success":   {func(run *dmap.Run, _ context.CancelCauseFunc) {}, results.Succeeded, "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := memory(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				run := begin(ctx, t, bucket)
				time.Sleep(10500 * time.Millisecond)
				r := requireCounts(t, bucket)
				require.Equal(t, results.Open, r.Status)
				require.Equal(t, dmap.StateOpen, r.Stats.State)
				require.Empty(t, r.Stats.Reason, "it works")
				require.GreaterOrEqual(t, r.Stats.Read, int64(14))
				require.Positive(t, r.Commits)
				require.Zero(t, r.Stopped)

				test.stop(run, cancel)
				stats, err := run.Wait()
				r = requireCounts(t, bucket)
				require.Equal(t, test.status, r.Status)
				require.Equal(t, test.reason, r.Stats.Reason)
				require.Equal(t, stats.State, r.Stats.State)
				require.Equal(t, stats.Succeeded, r.Stats.Succeeded)
				require.Equal(t, stats.Failed, r.Stats.Failed)
				if err != nil {
					require.NotEmpty(t, r.Error)
				}
			})
		})
	}
}

// A crash leaves what the last commit named. Parts that no commit names do not count.
func TestADeadRunIsReadByItsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, dead := memory(t), memory(t)
		run := begin(t.Context(), t, bucket)
		time.Sleep(10500 * time.Millisecond)
		for object, err := range listed(t.Context(), bucket) { // what a crash now would leave
			require.NoError(t, err)
			require.NoError(t, dead.WriteAll(t.Context(), object, []byte(read(t, bucket, object)), nil))
		}
		require.NoError(t, dead.WriteAll(t.Context(), "runs/r/SUCCEEDED_ABCDEFGHIJKLMNOP-000001.jsonl", []byte("garbage\n"), nil))
		run.Cancel(nil)
		_, _ = run.Wait()
		r := requireCounts(t, dead)
		require.Equal(t, results.Open, r.Status)
		require.Empty(t, r.Stats.Reason, "nobody recorded why")
		require.Positive(t, r.Stats.Succeeded)
		_, err := results.ExportStepFunctions(t.Context(), dead, r, memory(t), "x")
		require.ErrorContains(t, err, "has not ended")
	})
}

func listed(ctx context.Context, bucket *blob.Bucket) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		it := bucket.List(nil)
		for {
			o, err := it.Next(ctx)
			if err != nil || !yield(o.Key, nil) {
				return
			}
		}
	}
}

func TestARunThatIsNotThereIsAnError(t *testing.T) {
	bucket := memory(t)
	_, err := results.Load(t.Context(), bucket, "runs/", "r")
	require.ErrorIs(t, err, results.ErrNoRun)
	require.ErrorContains(t, err, `run "r"`)
	require.NoError(t, sink.Bucket[string](bucket, "runs/", sink.BucketOptions{Express: true}).Begin(t.Context(), dmap.RunSpec{RunID: "r"}))
	_, err = results.Load(t.Context(), bucket, "runs/", "r")
	require.ErrorIs(t, err, results.ErrNoManifest)
	require.NotErrorIs(t, err, results.ErrNoRun)
}

// refused is an answer of 403, which gcsblob reports as NotFound.
type refused struct{ Code int }

func (*refused) Error() string { return "Error 403: no access" }

// Whatever probe is refused, nobody takes the run for one that is not there: no call is made, and
// the error says so.
func TestARefusedProbeIsNeverTakenForAnAbsentRun(t *testing.T) {
	for _, object := range []string{"runs/r/manifest-000.json", "runs/r/manifest-001.json", "runs/r/run.json"} {
		for _, options := range []sink.BucketOptions{{}, {Express: true}} {
			bucket := dmaptest.NewFaultBucket(t, memory(t))
			run := func(fn func(context.Context, int) (string, error)) error {
				_, err := dmap.Map(t.Context(), countTo(4), fn, dmap.Options{RunID: "r"}, sink.Bucket[string](bucket.Bucket, "runs/", options))
				return err
			}
			require.NoError(t, run(func(context.Context, int) (string, error) { return "even", nil }))
			for _, op := range []dmaptest.Op{dmaptest.OpOpen, dmaptest.OpAttributes} {
				bucket.Inject(dmaptest.Fault{Op: op, Key: object, Sticky: true, Code: gcerrors.NotFound, Err: &refused{403}})
			}
			_, err := results.Load(t.Context(), bucket.Bucket, "runs/", "r")
			if !strings.HasSuffix(object, "run.json") {
				require.ErrorContains(t, err, "403", object)
				require.NotErrorIs(t, err, results.ErrNoRun)
			}
			if options.Express {
				continue
			}
			err = run(func(context.Context, int) (string, error) {
				t.Error("called")
				return "", nil
			})
			require.ErrorContains(t, err, "403", object)
			require.ErrorContains(t, err, object)
			require.NotErrorIs(t, err, dmap.ErrOpen, "a person must act first")
			require.Equal(t, 78, dmap.ExitCode(err))
		}
	}
}
