package results_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
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

// generation is a run over numbers whose function fails on the multiples of by.
type generation struct {
	id      string
	by      int
	src     dmap.Source[int]
	options sink.BucketOptions
}

func (g generation) run(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	_, err := dmap.Map(t.Context(), g.src, func(_ context.Context, n int) (string, error) {
		if n%g.by == 0 {
			return "", fmt.Errorf("%d fails in %s", n, g.id)
		}
		return fmt.Sprint(n, " of ", g.id), nil
	}, dmap.Options{RunID: g.id, Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[string](bucket, "runs/", g.options))
	require.NoError(t, err)
}

func countTo(n int) dmap.Source[int] {
	var list []int
	for i := range n {
		list = append(list, i+1)
	}
	return source.Slice(list)
}

// count reads all records of a run and counts them.
func count(t *testing.T, bucket *blob.Bucket, id string) (succeeded, failed int) {
	t.Helper()
	r, err := results.Load(t.Context(), bucket, "runs/", id)
	require.NoError(t, err)
	return len(collect(t, results.Successes[string](t.Context(), bucket, r))), len(collect(t, results.Failures(t.Context(), bucket, r)))
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

// words runs a list of numbers, each of which fails with a text of its own.
func words(t *testing.T, bucket *blob.Bucket, list []int, redrive ...dmap.Redrive) {
	t.Helper()
	opts := dmap.Options{RunID: "words", Tolerance: dmap.Tolerance{Percentage: 100}}
	if len(redrive) > 0 {
		opts.Redrive = redrive[0]
	}
	_, err := dmap.Map(t.Context(), source.Slice(list), func(_ context.Context, n int) (string, error) {
		word := "w"
		for ; n > 0; n /= 20 {
			word += string("ghijklmnopqrstuvwxyz"[n%20])
		}
		return "", fmt.Errorf("cannot parse %s", word)
	}, opts, sink.Bucket[string](bucket, "runs/"))
	require.NoError(t, err)
}
