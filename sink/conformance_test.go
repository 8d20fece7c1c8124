package sink_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func double(i int) int { return 2 * i }

func TestMemoryConforms(t *testing.T) {
	dmaptest.TestSink(t, func(testing.TB) dmap.Sink[int] { return new(sink.Memory[int]) }, double,
		func(_ testing.TB, s dmap.Sink[int]) []dmap.Result[int] { return s.(*sink.Memory[int]).Results() })
}

func TestBucketConforms(t *testing.T) {
	for name, open := range map[string]func(tb testing.TB) *blob.Bucket{
		"mem": func(testing.TB) *blob.Bucket { return memblob.OpenBucket(nil) },
		"file": func(tb testing.TB) *blob.Bucket {
			bucket, err := fileblob.OpenBucket(tb.TempDir(), &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
			require.NoError(tb, err)
			return bucket
		},
	} {
		t.Run(name, func(t *testing.T) {
			var buckets sync.Map // by sink
			dmaptest.TestSink(t, func(tb testing.TB) dmap.Sink[int] {
				bucket := open(tb)
				tb.Cleanup(func() { _ = bucket.Close() })
				s := sink.Bucket[int](bucket, "out", sink.BucketOptions{PartBytes: 10 << 10})
				buckets.Store(s, bucket)
				return s
			}, double, func(tb testing.TB, s dmap.Sink[int]) []dmap.Result[int] {
				bucket, _ := buckets.Load(s)
				return stored(tb, bucket.(*blob.Bucket))
			})
		})
	}
}

// stored reads the results of the suite's run through its manifest.
func stored(tb testing.TB, bucket *blob.Bucket) (all []dmap.Result[int]) {
	tb.Helper()
	m, err := results.Load(tb.Context(), bucket, "out", "conformance")
	require.NoError(tb, err)
	for r, err := range results.Successes[int](tb.Context(), bucket, m) {
		require.NoError(tb, err)
		all = append(all, dmap.Result[int]{Info: dmap.Info{Key: r.Key, Offset: r.Offset}, Value: r.Output})
	}
	for r, err := range results.Failures(tb.Context(), bucket, m) {
		require.NoError(tb, err)
		all = append(all, dmap.Result[int]{Info: dmap.Info{Key: r.Key, Offset: r.Offset}, Err: errors.New(r.Error)})
	}
	return all
}

func TestABrokenBucketConforms(t *testing.T) {
	for _, op := range []dmaptest.Op{dmaptest.OpCreate, dmaptest.OpWrite, dmaptest.OpClose} {
		for _, key := range []string{"run.json", "SUCCEEDED", "FAILED", "manifest-000.json"} {
			t.Run(string(op)+" "+key, func(t *testing.T) {
				dmaptest.TestBrokenSink(t, func(tb testing.TB) dmap.Sink[int] {
					inner := memblob.OpenBucket(nil)
					tb.Cleanup(func() { _ = inner.Close() })
					bucket := dmaptest.NewFaultBucket(tb, inner)
					bucket.Inject(dmaptest.Fault{Op: op, Key: key, Sticky: true})
					return sink.Bucket[int](bucket.Bucket, "out")
				}, double)
			})
		}
	}
}
