package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// The job of these tests squares the number in each object under data/. Every seventh object is
// malformed JSON.

type number struct {
	N int `json:"n"`
}

type squared struct {
	N      int `json:"n"`
	Square int `json:"square"`
}

func objectKey(i int) string { return fmt.Sprintf("data/%04d.json", i) }

func bad(i int) bool { return i%7 == 3 }

// fill writes the job's n objects, and objects with similar keys that are not part of it.
func fill(t *testing.T, b *blob.Bucket, n int) {
	t.Helper()
	put(t, b, map[string]string{"database/other.json": `{"n":-1}`, "data.json": `{"n":-2}`})
	for i := range n {
		content := fmt.Sprintf(`{"n":%d}`, i)
		if bad(i) {
			content = fmt.Sprintf(`{"n":%d`, i)
		}
		put(t, b, map[string]string{objectKey(i): content})
	}
}

func square(ctx context.Context, o source.Object) (squared, error) {
	var in number
	err := o.DecodeJSON(ctx, &in)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return squared{}, dmap.Permanent(err)
	}
	return squared{in.N, in.N * in.N}, err
}

// options returns the options of the job: failures are tolerated, and retries are fast.
func options(runID string) dmap.Options {
	return dmap.Options{
		RunID: runID, MaxConcurrency: 8, Timeout: 20 * time.Second, DrainTimeout: 5 * time.Second,
		Retry:     dmap.Retry{MaxAttempts: 4, Initial: time.Millisecond, Max: 5 * time.Millisecond},
		Tolerance: dmap.Tolerance{Percentage: 50},
	}
}

// jobSink returns the sink of the job. Its parts are small, so that each run has several.
func jobSink(b *blob.Bucket) dmap.Sink[squared] {
	return sink.Bucket[squared](b, "runs", sink.BucketOptions{PartBytes: 1 << 10})
}

// express is jobSink without a journal.
func express(b *blob.Bucket) dmap.Sink[squared] {
	return sink.Bucket[squared](b, "runs", sink.BucketOptions{PartBytes: 1 << 10, Express: true})
}

func runJob(ctx context.Context, in, out *blob.Bucket, opts dmap.Options) (dmap.Stats, error) {
	return dmap.Map(ctx, source.Objects(in, "data/"), square, opts, jobSink(out))
}

func TestJobWritesEveryResultOnce(t *testing.T) {
	const n = 70
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, n)
		var gauge dmaptest.Gauge
		opts := options("whole")
		stats, err := dmap.Map(t.Context(), source.Objects(b, "data/"), dmaptest.Gauged(&gauge, square), opts, jobSink(b))
		require.NoError(t, err)
		gauge.AtMost(t, opts.MaxConcurrency)
		require.EqualValues(t, n, gauge.Total(), "no call was retried")

		f := openFolder(t, b, "runs/whole")
		f.complete(t, n)
		require.Equal(t, "SUCCEEDED", f.manifest.Status)
		require.Greater(t, len(f.manifest.ResultFiles["SUCCEEDED"]), 1, "several parts")
		require.EqualValues(t, n, stats.Read)
		require.EqualValues(t, 10, stats.Failed)
		require.Equal(t, stats.Succeeded, f.manifest.Stats.Succeeded)
		f.hasNoOtherObjects(t, b)
		requireSinkReadsTheSame(t, b, f)
	})
}

func TestJobStopsAtTheTolerance(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 70)
		opts := options("strict")
		opts.Tolerance = dmap.Tolerance{Count: 2}
		opts.MaxConcurrency = 1
		stats, err := runJob(t.Context(), b, b, opts)
		var exceeded *dmap.ToleranceError
		require.ErrorAs(t, err, &exceeded)
		require.ErrorContains(t, err, objectKey(3), "the first failures are named")
		require.EqualValues(t, 3, stats.Failed)
		f := openFolder(t, b, "runs/strict")
		f.consistent(t, 70)
		require.Equal(t, "FAILED", f.manifest.Status)
	})
}

func TestJobReadsExactlyMaxItems(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 30)
		opts := options("first")
		opts.MaxItems = 17
		stats, err := runJob(t.Context(), b, b, opts)
		require.NoError(t, err)
		require.True(t, stats.Truncated)
		f := openFolder(t, b, "runs/first")
		f.complete(t, 17)
	})
}

func TestCanceledJobKeepsItsResults(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 40)
		why := errors.New("the machine is shut down")
		opts := options("cancelled")
		opts.MaxConcurrency = 2
		var run *dmap.Run
		started := make(chan struct{})
		run, err := dmap.Start(t.Context(), source.Objects(b, "data/"), func(ctx context.Context, o source.Object) (squared, error) {
			out, err := square(ctx, o)
			if out.N == 20 {
				<-started
				run.Cancel(why)
			}
			return out, err
		}, opts, jobSink(b))
		require.NoError(t, err)
		close(started)
		stats, err := run.Wait()
		require.ErrorIs(t, err, why)
		require.Positive(t, stats.Succeeded)
		f := openFolder(t, b, "runs/cancelled")
		f.consistent(t, 40)
		require.Equal(t, "CANCELED", f.manifest.Status)
	})
}

// requireSinkReadsTheSame compares the records in f with those that package sink reads.
func requireSinkReadsTheSame(t *testing.T, b *blob.Bucket, f folder) {
	t.Helper()
	m, err := results.Load(t.Context(), b, "runs", f.manifest.RunID)
	require.NoError(t, err)
	var succeeded, failed []string
	for r, err := range results.Successes[squared](t.Context(), b, m) {
		require.NoError(t, err)
		require.Equal(t, r.Output.N*r.Output.N, r.Output.Square)
		succeeded = append(succeeded, r.ID)
	}
	for r, err := range results.Failures(t.Context(), b, m) {
		require.NoError(t, err)
		failed = append(failed, r.ID)
	}
	require.ElementsMatch(t, slices.Collect(f.ids("SUCCEEDED")), succeeded)
	require.ElementsMatch(t, slices.Collect(f.ids("FAILED")), failed)
}
