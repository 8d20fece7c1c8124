package results_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memory(t *testing.T) *blob.Bucket {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// last is the error that seq ends with.
func last[T any](seq iter.Seq2[T, error]) (err error) {
	for _, e := range seq {
		err = e
	}
	return err
}

func read(t *testing.T, bucket *blob.Bucket, key string) string {
	t.Helper()
	content, err := bucket.ReadAll(t.Context(), key)
	require.NoError(t, err)
	return string(content)
}

// stored writes outputs as the results of the run "r" and returns its manifest.
func stored[R any](t *testing.T, bucket *blob.Bucket, options sink.BucketOptions, outputs ...R) *results.Run {
	t.Helper()
	s := sink.Bucket[R](bucket, "out", options)
	require.NoError(t, s.Begin(t.Context(), dmap.RunSpec{RunID: "r", Source: "test"}))
	for n, output := range outputs {
		one := dmap.Result[R]{Info: dmap.Info{Key: "rows.csv", Offset: int64(n), Attempt: 1}, Value: output}
		require.NoError(t, s.Write(t.Context(), []dmap.Result[R]{one}))
	}
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.End(t.Context(), dmap.Ending{}))
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	return m
}
