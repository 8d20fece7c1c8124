package results_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink/results"
)

func TestANilArgumentIsAnError(t *testing.T) {
	calls := map[string]func(ctx context.Context, bucket *blob.Bucket) error{
		"Load":  func(ctx context.Context, b *blob.Bucket) error { _, err := results.Load(ctx, b, "", "r"); return err },
		"Clean": func(ctx context.Context, b *blob.Bucket) error { _, err := results.Clean(ctx, b, "", "r"); return err },
		"Approve": func(ctx context.Context, b *blob.Bucket) error {
			return results.Approve(ctx, b, "", "r", results.Verdict{})
		},
		"Reject": func(ctx context.Context, b *blob.Bucket) error {
			return results.Reject(ctx, b, "", "r", results.Verdict{})
		},
		"List": func(ctx context.Context, b *blob.Bucket) error {
			_, _, err := results.List(ctx, b, "", results.ListOptions{})
			return err
		},
	}
	about := map[string]func(ctx context.Context, bucket *blob.Bucket, r *results.Run) error{
		"Successes": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			return last(results.Successes[int](ctx, b, r))
		},
		"Failures": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			return last(results.Failures(ctx, b, r))
		},
		"FailuresOf": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			return last(results.FailuresOf(ctx, b, r, "g"))
		},
		"Pending": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			return last(results.Pending(ctx, b, r))
		},
		"Held": func(ctx context.Context, b *blob.Bucket, r *results.Run) error { return last(results.Held(ctx, b, r)) },
		"Groups": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			_, err := results.Groups(ctx, b, r)
			return err
		},
		"PreviewRedrive": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			_, err := results.PreviewRedrive(ctx, b, r, dmap.Redrive{})
			return err
		},
		"ExportStepFunctions": func(ctx context.Context, b *blob.Bucket, r *results.Run) error {
			_, err := results.ExportStepFunctions(ctx, b, r, memory(t), "to/")
			return err
		},
	}
	for name, call := range about {
		calls[name] = func(ctx context.Context, b *blob.Bucket) error { return call(ctx, b, new(results.Run)) }
		require.ErrorContains(t, call(t.Context(), memory(t), nil), "the run is nil", name)
	}
	var none context.Context
	for name, call := range calls {
		require.ErrorContains(t, call(none, memory(t)), "the context is nil", name)
		require.ErrorContains(t, call(t.Context(), nil), "the bucket is nil", name)
	}
	_, err := results.ExportStepFunctions(t.Context(), memory(t), new(results.Run), nil, "to/")
	require.ErrorContains(t, err, "the bucket to write to is nil")
}
