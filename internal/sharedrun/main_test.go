package sharedrun

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newMachine returns a machine of a run, whose calls do nothing.
func newMachine[T any](t *testing.T, bucket *blob.Bucket, runID string, src dmap.Source[T]) *Machine[T, int] {
	t.Helper()
	m, err := New(Job[T, int]{
		Job:  leaserun.Job[T, int]{Source: src, Options: dmap.Options{RunID: runID}, Call: func(context.Context, T) (int, error) { return 0, nil }},
		Sink: sink.Bucket[int](bucket, "out"),
	})
	require.NoError(t, err)
	return m
}
