package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

var (
	_ dmap.Sink[int]      = (*sink.BucketSink[int])(nil)
	_ dmap.ConcurrentSink = (*sink.BucketSink[int])(nil)
	_ dmap.Recorder       = (*sink.BucketSink[int])(nil)
)

// buckets runs test on an empty bucket of each kind that needs no network.
func buckets(t *testing.T, test func(t *testing.T, bucket *blob.Bucket)) {
	t.Run("mem", func(t *testing.T) { test(t, memory(t)) })
	t.Run("file", func(t *testing.T) {
		bucket, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
		require.NoError(t, err)
		defer bucket.Close()
		test(t, bucket)
	})
}

func memory(t *testing.T) *blob.Bucket {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

// begun returns a sink that has begun the run "r".
func begun[R any](t *testing.T, bucket *blob.Bucket, opts ...sink.BucketOptions) *sink.BucketSink[R] {
	t.Helper()
	f := sink.Bucket[R](bucket, "out", opts...)
	require.NoError(t, f.Validate())
	require.NoError(t, f.Begin(t.Context(), dmap.RunSpec{RunID: "r", Source: "test", Started: time.Now()}))
	return f
}

// ended flushes and ends the run of f and returns its manifest.
func ended[R any](t *testing.T, bucket *blob.Bucket, f *sink.BucketSink[R], end dmap.Ending) *results.Run {
	t.Helper()
	require.NoError(t, f.Flush(t.Context()))
	require.NoError(t, f.End(t.Context(), end))
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	return m
}

// row makes a result of the record at offset n of rows.csv.
func row[R any](n int, value R) dmap.Result[R] {
	input := fmt.Sprintf("row %d", n)
	return dmap.Result[R]{
		Info:  dmap.Info{RunID: "r", Split: "s1", Key: "rows.csv", Offset: int64(n), Index: int64(n), Attempt: 1},
		Value: value, Input: &input, Elapsed: time.Millisecond,
	}
}

func failure(n int, err error) dmap.Result[int] {
	r := row(n, 0)
	r.Err = err
	return r
}

// keys lists the bucket.
func keys(t *testing.T, bucket *blob.Bucket) []string {
	t.Helper()
	var all []string
	for list := bucket.List(nil); ; {
		o, err := list.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, o.Key)
	}
}

func read(t *testing.T, bucket *blob.Bucket, key string) string {
	t.Helper()
	content, err := bucket.ReadAll(context.Background(), key)
	require.NoError(t, err)
	return string(content)
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

func TestBucketKeepsResultsApartAndReadsThemBack(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		f := begun[int](t, bucket)
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 10), failure(1, errors.New("no such account")), row(2, 30)}))
		whole := row(0, 40)
		whole.Info = dmap.Info{Key: "dir/a \"b\".json", Offset: dmap.WholeObject, Attempt: 2}
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{whole}))
		waiting := "row 9"
		m := ended(t, bucket, f, dmap.Ending{
			Stats:   dmap.Stats{RunID: "r", Read: 5, Succeeded: 3, Failed: 1, Pending: 1},
			Err:     &dmap.ToleranceError{Failed: 1, Of: 4},
			Pending: []dmap.Pending{{Info: dmap.Info{Key: "rows.csv", Offset: 9, Attempt: 1}, Input: &waiting, Err: io.ErrUnexpectedEOF}},
			Unread:  dmap.Unread{Splits: []dmap.Split{{ID: "s2", Object: "rows.csv", From: dmap.Cursor{Offset: 10}}}},
		})

		require.Equal(t, results.Failed, m.Status)
		require.Contains(t, m.Error, "tolerance")
		require.Equal(t, "test", m.Source)
		require.EqualValues(t, 3, m.Stats.Succeeded)
		require.Equal(t, "s2", m.Unread.Splits[0].ID)
		require.Empty(t, m.Lost)

		ok := collect(t, results.Successes[int](t.Context(), bucket, m))
		require.Len(t, ok, 3)
		require.Equal(t, results.Item{ID: "rows.csv@0", Key: "rows.csv", Offset: 0, Split: "s1", Attempts: 1}, ok[0].Item)
		require.Equal(t, time.Millisecond, ok[0].Elapsed)
		require.Equal(t, []int{10, 30, 40}, []int{ok[0].Output, ok[1].Output, ok[2].Output})
		require.Equal(t, results.Item{ID: `dir/a "b".json`, Key: `dir/a "b".json`, Offset: -1, Attempts: 2}, ok[2].Item)
		require.Empty(t, ok[0].Input, "inputs of successes are not stored unless asked for")

		bad := collect(t, results.Failures(t.Context(), bucket, m))
		require.Len(t, bad, 1)
		require.Equal(t, "rows.csv@1", bad[0].ID)
		require.Equal(t, "error", bad[0].Class)
		require.Equal(t, "no such account", bad[0].Error)
		require.JSONEq(t, `"row 1"`, string(bad[0].Input))

		open := collect(t, results.Pending(t.Context(), bucket, m))
		require.Len(t, open, 1)
		require.Equal(t, "rows.csv@9", open[0].ID)
		require.Equal(t, "unexpected EOF", open[0].Error)
		require.JSONEq(t, `"row 9"`, string(open[0].Input))

		want := []string{"out/r/manifest-000.json", "out/r/run.json"}
		for _, p := range slices.Concat(m.FailedParts, m.PendingParts, m.SucceededParts) {
			require.Regexp(t, `^out/r/[A-Za-z0-9._=-]+\.jsonl$`, p.Key)
			require.Len(t, read(t, bucket, p.Key), int(p.Size))
			want = append(want, p.Key)
		}
		groups := slices.DeleteFunc(keys(t, bucket), func(key string) bool { return !strings.Contains(key, "/GROUPS_") })
		require.Len(t, groups, 1)
		require.Contains(t, read(t, bucket, "out/r/manifest-000.json"), strconv.Quote(groups[0]))
		want = append(want, groups[0])
		slices.Sort(want)
		require.Equal(t, want, keys(t, bucket), "nothing but the run's record and what the manifest names")
	})
}

func TestWrittenIsTheSizeOfTheStoredParts(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		to := sink.Bucket[string](bucket, "out", sink.BucketOptions{PartBytes: 64 << 10})
		var last int64
		for _, runID := range []string{"a", "b"} {
			stats, err := dmap.Map(t.Context(), source.Slice(make([]int, 2000)), func(_ context.Context, i int) (string, error) {
				return strings.Repeat("x", 100), nil
			}, dmap.Options{RunID: runID, Observer: &dmap.Observer{RunEnded: func(context.Context, dmap.RunEnd) { last = to.Written() }}}, to)
			require.NoError(t, err)
			require.EqualValues(t, 2000, stats.Succeeded)
			var size int64
			list := bucket.List(&blob.ListOptions{Prefix: "out/" + runID + "/SUCCEEDED_"})
			for o, err := list.Next(t.Context()); err == nil; o, err = list.Next(t.Context()) {
				size += o.Size
			}
			require.Greater(t, size, int64(200_000))
			require.Equal(t, size, last)
		}
	})
}

func TestManifestHasTheFieldsOfStepFunctions(t *testing.T) {
	bucket := memory(t)
	f := begun[int](t, bucket, sink.BucketOptions{URL: "s3://key:hunter2@results?region=eu-west-1&secret_key_path=hunter2#hunter2"})
	require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 1)}))
	ended(t, bucket, f, dmap.Ending{})

	text := read(t, bucket, "out/r/manifest-000.json")
	require.NotContains(t, text, "hunter2")
	var m struct {
		DestinationBucket, MapRunArn string
		ResultFiles                  map[string][]struct {
			Key  string
			Size int64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	require.Equal(t, "s3://results?region=eu-west-1", m.DestinationBucket)
	require.Empty(t, m.MapRunArn)
	require.Equal(t, []string{"FAILED", "PENDING", "SUCCEEDED"}, slices.Sorted(func(yield func(string) bool) {
		for k, v := range m.ResultFiles {
			require.NotNil(t, v, "a kind without parts is [], as on AWS")
			yield(k)
		}
	}))
	require.Len(t, m.ResultFiles["SUCCEEDED"], 1)
	require.Positive(t, m.ResultFiles["SUCCEEDED"][0].Size)
}

func TestRunFileDescribesTheRun(t *testing.T) {
	bucket := memory(t)
	f := sink.Bucket[int](bucket, "")
	require.NoError(t, f.Begin(t.Context(), dmap.RunSpec{
		RunID: "loans", Source: "csv://loans.csv", Options: dmap.Options{MaxItems: 7}, Batch: batch.Limits{Items: 3},
	}))
	var got struct {
		Format                         int
		Writer, Library, RunID, Source string
		Options                        struct{ MaxItems int }
		Batch                          batch.Limits
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, bucket, "loans/run.json")), &got))
	require.Equal(t, 1, got.Format)
	require.NotEmpty(t, got.Writer)
	require.NotEmpty(t, got.Library)
	require.Equal(t, "loans", got.RunID)
	require.Equal(t, "csv://loans.csv", got.Source)
	require.Equal(t, 7, got.Options.MaxItems)
	require.Equal(t, 3, got.Batch.Items)
	require.NoError(t, f.End(t.Context(), dmap.Ending{}))
}

func TestAFolderThatHoldsARunIsRefusedByName(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		ended(t, bucket, begun[int](t, bucket), dmap.Ending{})
		before := keys(t, bucket)
		again := sink.Bucket[int](bucket, "out/")
		err := again.Begin(t.Context(), dmap.RunSpec{RunID: "r"})
		require.ErrorIs(t, err, sink.ErrRunExists)
		require.ErrorContains(t, err, `"out/r/"`)
		require.Equal(t, before, keys(t, bucket))

		require.NoError(t, again.Begin(t.Context(), dmap.RunSpec{RunID: "r2"}), "the sink is free for another run")
		require.ErrorContains(t, again.Begin(t.Context(), dmap.RunSpec{RunID: "r3"}), "already writing")
		require.NoError(t, again.End(t.Context(), dmap.Ending{}))
	})
}

func TestAnUnfinishedRunHasNoManifest(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		f := begun[int](t, bucket)
		require.NoError(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 1)}))
		require.NoError(t, f.Flush(t.Context()))
		_, err := results.Load(t.Context(), bucket, "out", "r")
		require.ErrorIs(t, err, results.ErrNoManifest)
		require.ErrorContains(t, err, "out/r/manifest-000.json")
		require.NoError(t, f.End(t.Context(), dmap.Ending{}))
		_, err = results.Load(t.Context(), bucket, "out", "r")
		require.NoError(t, err)
	})
}

func TestWritesOutsideARunAreErrors(t *testing.T) {
	f := sink.Bucket[int](memory(t), "out")
	require.ErrorContains(t, f.Write(t.Context(), []dmap.Result[int]{row(0, 1)}), "outside a run")
	require.ErrorContains(t, f.Flush(t.Context()), "outside a run")
	require.ErrorContains(t, f.End(t.Context(), dmap.Ending{}), "outside a run")
}

func TestBadArgumentsAreReportedTogetherBeforeAnyIO(t *testing.T) {
	bucket := memory(t)
	f := sink.Bucket[int](bucket, "a/../b", sink.BucketOptions{
		URL: "s3://key:hunter2@b\x7f", Records: "XML", Inputs: "SOME", PartBytes: -1, PartAge: -time.Second,
	}, sink.BucketOptions{})
	err := f.Validate()
	for _, part := range []string{`"a/../b"`, "URL", `"XML"`, `"SOME"`, "PartBytes -1", "PartAge -1s", "at most one"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "hunter2")
	require.ErrorContains(t, sink.Bucket[int](nil, "").Validate(), "bucket is nil")
	opaque := sink.Bucket[int](bucket, "", sink.BucketOptions{URL: "key:hunter2@results"}).Validate()
	require.ErrorContains(t, opaque, "URL")
	require.NotContains(t, opaque.Error(), "hunter2")
	require.ErrorContains(t, sink.Bucket[int](bucket, "", sink.BucketOptions{PartBytes: math.MaxInt64}).Validate(), "PartBytes")
	require.Error(t, f.Begin(t.Context(), dmap.RunSpec{RunID: "r"}))
	require.Empty(t, keys(t, bucket))
}

func TestHostilePrefixesAndRunIDsNeverBecomeKeys(t *testing.T) {
	bucket := memory(t)
	for _, prefix := range []string{"/abs", "a//b", "..", "../x", "a/./b", "a\x00b", "a\nb", "a\xffb", `a\b`, strings.Repeat("x", 701)} {
		require.Error(t, sink.Bucket[int](bucket, prefix).Validate(), "%q", prefix)
		_, err := results.Load(t.Context(), bucket, prefix, "r")
		require.Error(t, err, "%q", prefix)
		require.NotErrorIs(t, err, results.ErrNoManifest)
	}
	for _, id := range []string{"", "..", ".hidden", "a/b", "a b", "é", strings.Repeat("x", 129)} {
		require.ErrorContains(t, sink.Bucket[int](bucket, "p").Begin(t.Context(), dmap.RunSpec{RunID: id}), "run ID", "%q", id)
	}
	for _, prefix := range []string{"", "runs", "runs/", "a/b-c/d=1/", "Résumé"} {
		require.NoError(t, sink.Bucket[int](bucket, prefix).Validate(), "%q", prefix)
	}
	require.Empty(t, keys(t, bucket))
}

func TestConcurrentWritersLoseAndDoubleNothing(t *testing.T) {
	buckets(t, func(t *testing.T, bucket *blob.Bucket) {
		const writers, each = 16, 200
		f := begun[int](t, bucket, sink.BucketOptions{PartBytes: 4 << 10})
		var workers sync.WaitGroup
		for w := range writers {
			workers.Go(func() {
				for i := 0; i < each; i += 4 {
					var batch []dmap.Result[int]
					for n := w*each + i; n < w*each+i+4; n++ {
						if n%7 == 0 {
							batch = append(batch, failure(n, errors.New("seven")))
						} else {
							batch = append(batch, row(n, n))
						}
					}
					if err := f.Write(t.Context(), batch); err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		m := ended(t, bucket, f, dmap.Ending{})

		seen := map[int64]int{}
		for _, r := range collect(t, results.Successes[int](t.Context(), bucket, m)) {
			require.EqualValues(t, r.Offset, r.Output)
			seen[r.Offset]++
		}
		for _, r := range collect(t, results.Failures(t.Context(), bucket, m)) {
			require.Zero(t, r.Offset%7)
			seen[r.Offset]++
		}
		require.Len(t, seen, writers*each)
		for n, times := range seen {
			require.Equal(t, 1, times, n)
		}
		require.Greater(t, len(m.SucceededParts), 50)
		for _, p := range m.SucceededParts {
			require.LessOrEqual(t, p.Size, int64(4<<10))
		}
	})
}
