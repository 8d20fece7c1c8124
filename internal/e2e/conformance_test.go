package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

type event struct {
	ID int `csv:"id" json:"id"`
}

func TestSourcesConformOnEveryStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, 25)
		var csv, lines strings.Builder
		csv.WriteString("id\n")
		for i := range 40 {
			_, _ = fmt.Fprintf(&csv, "%d\n", i)
			_, _ = fmt.Fprintf(&lines, "{\"id\":%d}\n", i)
		}
		put(t, b, map[string]string{"events.csv": csv.String(), "events.jsonl": lines.String()})
		t.Run("objects", func(t *testing.T) {
			items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] { return source.Objects(b, "data/") },
				func(a, b source.Object) bool { return a == b })
			require.Len(t, items, 25)
		})
		t.Run("csv", func(t *testing.T) {
			items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[event] { return source.CSV(b, "events.csv", source.Into[event]) })
			require.Equal(t, event{39}, items[39].Value)
		})
		t.Run("json lines", func(t *testing.T) {
			items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[event] { return source.JSONLines[event](b, "events.jsonl") })
			require.Equal(t, event{39}, items[39].Value)
		})
	})
}

func TestBucketSinkConformsOnEveryStore(t *testing.T) {
	value := func(i int) squared { return squared{i, i * i} }
	onEachStore(t, func(t *testing.T, s store) {
		var b *blob.Bucket
		dmaptest.TestSink(t, func(testing.TB) dmap.Sink[squared] {
			b = s.bucket(t)
			return sink.Bucket[squared](b, "runs", sink.BucketOptions{PartBytes: 8 << 10}) // 1,000 results take several
		}, value, func(tb testing.TB, _ dmap.Sink[squared]) []dmap.Result[squared] { return readResults(tb, b) })
		if s.missing != nil {
			dmaptest.TestBrokenSink(t, func(testing.TB) dmap.Sink[squared] { return jobSink(s.missing(t)) }, value)
		}
	})
}

// readResults reads the only run of a bucket by its manifest.
func readResults(tb testing.TB, b *blob.Bucket) (all []dmap.Result[squared]) {
	list := b.List(&blob.ListOptions{Prefix: "runs/", Delimiter: "/"})
	dir, err := list.Next(tb.Context())
	require.NoError(tb, err)
	_, err = list.Next(tb.Context())
	require.ErrorIs(tb, err, io.EOF, "one run")
	m, err := results.Load(tb.Context(), b, "runs", strings.TrimSuffix(strings.TrimPrefix(dir.Key, "runs/"), "/"))
	require.NoError(tb, err)
	for r, err := range results.Successes[squared](tb.Context(), b, m) {
		require.NoError(tb, err)
		all = append(all, dmap.Result[squared]{Info: dmap.Info{Key: r.Key, Offset: r.Offset}, Value: r.Output})
	}
	for r, err := range results.Failures(tb.Context(), b, m) {
		require.NoError(tb, err)
		all = append(all, dmap.Result[squared]{Info: dmap.Info{Key: r.Key, Offset: r.Offset}, Err: errors.New(r.Error)})
	}
	return all
}

func TestBatchesOfRowsRetryOnlyTheirFailedItems(t *testing.T) {
	const n = 100
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		var rows strings.Builder
		rows.WriteString("id\n")
		for i := range n {
			_, _ = fmt.Fprintf(&rows, "%d\n", i)
		}
		put(t, b, map[string]string{"events.csv": rows.String()})
		var got sink.Memory[int]
		var gauge dmaptest.Gauge
		opts := options("batches")
		opts.MaxConcurrency = 3
		stats, err := dmap.MapBatch(t.Context(), source.CSV(b, "events.csv", source.Into[event]), batch.Limits{Items: 8},
			dmaptest.Gauged(&gauge, func(_ context.Context, items []dmap.Item[event]) ([]int, error) {
				ids, errs := make([]int, len(items)), batch.Errors{}
				for i, item := range items {
					ids[i] = item.Value.ID
					if item.Value.ID%10 == 9 { // never works
						errs[i] = fmt.Errorf("event %d is odd", item.Value.ID)
					}
				}
				return ids, errs.Err()
			}), opts, dmap.Sink[int](&got), sink.Bucket[int](b, "runs"))
		require.NoError(t, err)
		gauge.AtMost(t, 3)
		require.EqualValues(t, n-10, stats.Succeeded)
		require.EqualValues(t, 10, stats.Failed)
		for _, r := range got.Results() {
			want := 1
			if r.Err != nil {
				want = opts.Retry.MaxAttempts
			}
			require.Equal(t, want, r.Attempt, r.ID())
		}
		m, err := results.Load(t.Context(), b, "runs", "batches")
		require.NoError(t, err)
		require.EqualValues(t, n-10, m.Stats.Succeeded)
	})
}
