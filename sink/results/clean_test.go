package results_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func TestCleanRemovesPartsThatNothingNames(t *testing.T) {
	bucket := memory(t)
	generation{"first", 2, countTo(40), sink.BucketOptions{PartBytes: 500}}.run(t, bucket)
	generation{"first2", 2, countTo(4), sink.BucketOptions{}}.run(t, bucket)
	garbage := []string{"runs/first/FAILED_ABCDEFGHIJKLMNOP-000001.jsonl", "runs/first/SUCCEEDED_X-1.jsonl.18a.tmp", "runs/first/manifest-000.json.18abcdef.tmp", "runs/first/commits/999999999999-0.json.18abcdef.tmp"}
	kept := []string{"runs/first/lanes/0000042-1/999999999999-0.json", "runs/first/control.json", "runs/first/log/0.json", "runs/first/notes.abc.tmp", "runs/first/mine/SUCCEEDED_A-1.jsonl", "runs/SUCCEEDED_A-1.jsonl", "runs/first2/FAILED_A-1.jsonl"}
	for _, key := range append(garbage, kept...) {
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte("x"), nil))
	}
	would, err := results.Clean(t.Context(), bucket, "runs/", "first", results.CleanOptions{DryRun: true})
	require.NoError(t, err)
	require.ElementsMatch(t, garbage, would)
	removed, err := results.Clean(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	require.ElementsMatch(t, garbage, removed)
	for _, key := range append(garbage, kept...) {
		there, err := bucket.Exists(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, slices.Contains(kept, key), there, key)
	}
	succeeded, failed := count(t, bucket, "first")
	require.Equal(t, []int{20, 20}, []int{succeeded, failed}, "every part that counts is there")
	removed, err = results.Clean(t.Context(), bucket, "runs/", "first")
	require.NoError(t, err)
	require.Empty(t, removed)
}

// In virtual time the commit at the end never exceeds the DrainTimeout of a millisecond.
func TestCleanOfAnOpenRunKeepsCommittedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t)
		stop := errors.New("hand over")
		blocked := make(chan struct{})
		ctx, cancel := context.WithCancelCause(t.Context())
		run := func(ctx context.Context, fn func(ctx context.Context, n int) (string, error)) *dmap.Run {
			r, err := dmap.Start(ctx, countTo(30), fn, dmap.Options{RunID: "first", MaxConcurrency: 1, CommitEvery: time.Millisecond, DrainTimeout: time.Millisecond},
				sink.Bucket[string](bucket, "runs/"))
			require.NoError(t, err)
			return r
		}
		r := run(ctx, func(ctx context.Context, n int) (string, error) {
			if n == 20 {
				close(blocked)
				<-ctx.Done()
			}
			return "done", ctx.Err()
		})
		<-blocked
		cancel(errors.Join(dmap.ErrSuspended, stop))
		_, err := r.Wait()
		require.ErrorIs(t, err, stop)
		garbage := "runs/first/SUCCEEDED_ABCDEFGHIJKLMNOP-000001.jsonl"
		require.NoError(t, bucket.WriteAll(t.Context(), garbage, []byte("x"), nil))
		_, err = results.Clean(t.Context(), bucket, "runs/", "first")
		require.ErrorIs(t, err, results.ErrNoManifest)
		removed, err := results.Clean(t.Context(), bucket, "runs/", "first", results.CleanOptions{Open: true})
		require.NoError(t, err)
		require.Equal(t, []string{garbage}, removed)
		_, err = run(t.Context(), func(context.Context, int) (string, error) { return "done", nil }).Wait()
		require.NoError(t, err)
		succeeded, failed := count(t, bucket, "first")
		require.Equal(t, []int{30, 0}, []int{succeeded, failed})

		_, err = results.Clean(t.Context(), bucket, "runs/", "nobody", results.CleanOptions{Open: true})
		require.ErrorIs(t, err, results.ErrNoManifest)
	})
}
