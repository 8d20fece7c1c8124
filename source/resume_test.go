package source_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// A resume over a large object reads the rest of it, and a little more.
func TestAResumeDoesNotReadAgainWhatIsSettled(t *testing.T) {
	const n = 20_000
	lines := func(bucket *blob.Bucket) dmap.Source[string] {
		return source.Transform(source.Divide(source.JSONLines[number](bucket, "k"), 4000), func(_ context.Context, v number) (string, error) {
			return strconv.Itoa(v.N), nil
		})
	}
	rows := func(bucket *blob.Bucket) dmap.Source[string] {
		return source.Transform(source.Divide(source.CSV(bucket, "k", source.Strings), 4000), func(_ context.Context, row []string) (string, error) {
			return row[0], nil
		})
	}
	var text []byte
	for i := range n {
		text = fmt.Appendf(text, "{\"n\":%d}\n", i)
	}
	for name, c := range map[string]struct {
		data string
		open func(*blob.Bucket) dmap.Source[string]
	}{"csv": {numbered(n), rows}, "json lines": {string(text), lines}} {
		t.Run(name, func(t *testing.T) {
			in, out := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": c.data})), memory(t, nil)
			in.Record(dmaptest.OpRead)
			run := func(ctx context.Context, calls int, call func(string)) (read int64, err error) {
				before := len(in.Log())
				_, err = dmap.Map(ctx, c.open(in.Bucket), func(_ context.Context, id string) (string, error) {
					call(id)
					return id, nil
				}, dmap.Options{RunID: "r", MaxConcurrency: calls}, sink.Bucket[string](out, ""))
				for _, call := range in.Log()[before:] {
					read += call.Bytes
				}
				return read, err
			}
			ctx, suspend := context.WithCancelCause(t.Context())
			_, err := run(ctx, 1, func(id string) { // in order: the settled items are the first ones
				if id == strconv.Itoa(n*9/10) {
					suspend(dmap.ErrSuspended)
				}
			})
			require.ErrorIs(t, err, dmap.ErrSuspended)
			again, err := run(t.Context(), 4, func(string) {})
			require.NoError(t, err)
			require.Less(t, again, int64(len(c.data)/2))
			manifest, err := results.Load(t.Context(), out, "", "r")
			require.NoError(t, err)
			seen := map[string]bool{}
			for record, err := range results.Successes[string](t.Context(), out, manifest) {
				require.NoError(t, err)
				require.False(t, seen[record.Output], record.Output)
				seen[record.Output] = true
			}
			require.Len(t, seen, n)
		})
	}
}

// What is settled of an object says nothing about another one that has taken its place.
func TestARunDoesNotGoOnWithAnObjectThatHasChanged(t *testing.T) {
	for name, large := range map[string]bool{"small": false, "large": true} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t, map[string]string{"rows.csv": numbered(1000)})
			run := func(ctx context.Context, call func()) error {
				src := source.CSV(bucket, "rows.csv", source.Strings)
				if large {
					src = source.Divide(src, 2000)
				}
				_, err := dmap.Map(ctx, src, func(context.Context, []string) (string, error) {
					call()
					return "", nil
				}, dmap.Options{RunID: "r", MaxConcurrency: 1}, sink.Bucket[string](bucket, "runs/"))
				return err
			}
			calls := 0
			ctx, suspend := context.WithCancelCause(t.Context())
			require.ErrorIs(t, run(ctx, func() {
				if calls++; calls == 500 {
					suspend(dmap.ErrSuspended)
				}
			}), dmap.ErrSuspended)
			require.NoError(t, bucket.WriteAll(t.Context(), "rows.csv", []byte(numbered(2000)), nil))
			err := run(t.Context(), func() { t.Error("called") })
			require.ErrorIs(t, err, dmap.ErrSpecChanged)
			require.ErrorContains(t, err, `version of "rows.csv"`)
		})
	}
}
