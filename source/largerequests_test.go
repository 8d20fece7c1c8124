package source_test

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func TestReadersTakeTheBytesThatThePlanningHasRead(t *testing.T) {
	data := numbered(2000)
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"rows.csv": data}))
	bucket.Record(dmaptest.OpRead)
	require.Len(t, read(t, source.Divide(source.CSV(bucket.Bucket, "rows.csv", source.Strings), 4000)), 2000)
	var sum int64
	for _, call := range bucket.Log() {
		sum += call.Bytes
	}
	require.Less(t, sum, int64(len(data)+17_000), "each byte once, and those of the header once more")
	require.Equal(t, 1, bucket.Calls(dmaptest.OpAttributes))
}

func TestOnlyAsMuchIsKeptAsThereIsMemoryFor(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": numbered(5000)})
	src := source.Divide(source.CSV(bucket, "rows.csv", source.Strings), 2000)
	splits := splitsOf(t, src)
	require.Greater(t, source.Prefetched(src), int64(6*2000))
	require.LessOrEqual(t, source.Prefetched(src), int64(8*2000))
	require.Len(t, pieced(t.Context(), src, splits), 5000)
	require.Zero(t, source.Prefetched(src))

	for range plan(src).Splits(t.Context()) {
		break
	}
	require.Zero(t, source.Prefetched(src), "who breaks off leaves nothing")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range plan(src).Splits(ctx) {
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.Zero(t, source.Prefetched(src), "who is cancelled leaves nothing")
}

func TestSplitsThatAreBegunAndNotReadToTheirEndDoNotHoldUpThePlanning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := memory(t, map[string]string{"rows.csv": numbered(2000)})
		src := source.Divide(source.CSV(bucket, "rows.csv", source.Strings), 1000)
		n := 0
		for s, err := range plan(src).Splits(t.Context()) {
			require.NoError(t, err)
			next, stop := iter.Pull2(plan(src).Read(t.Context(), s))
			defer stop()
			_, err, ok := next()
			require.True(t, ok)
			require.NoError(t, err)
			n++
		}
		require.Greater(t, n, 30)
	})
}

func TestBrokenRequestsForADividedObjectAreResumed(t *testing.T) {
	data := numbered(3000)
	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 700, Nth: 4},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 700, Nth: 6},
		{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 0, Nth: 3},
	} {
		bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": data}))
		bucket.Inject(fault)
		require.Len(t, read(t, source.Divide(source.CSV(bucket.Bucket, "k", source.Strings), 3000)), 3000)

		bucket = dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": strings.Repeat("12345\n", 5000)}))
		bucket.Inject(fault)
		require.Len(t, read(t, source.Divide(source.JSONLines[int](bucket.Bucket, "k"), 3000)), 5000)
	}
}

func TestDividedObjectThatChangesInTheMiddleEndsTheRun(t *testing.T) {
	rows, lines := numbered(3000), strings.Repeat("12345\n", 5000)
	for name, open := range map[string]func(*blob.Bucket) dmap.Source[struct{}]{
		"rows": func(b *blob.Bucket) dmap.Source[struct{}] {
			return source.Divide(source.CSV(b, "k", func([]string) (func(source.Row) (struct{}, error), error) {
				return func(source.Row) (struct{}, error) { return struct{}{}, nil }, nil
			}), 3000)
		},
		"lines": func(b *blob.Bucket) dmap.Source[struct{}] {
			decode := func([]byte) (struct{}, error) { return struct{}{}, nil }
			return source.Divide(source.JSONLines(b, "k", source.JSONLinesOptions[struct{}]{Decode: decode}), 3000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]string{"rows": rows, "lines": lines}[name]
			bucket := memory(t, map[string]string{"k": data})
			src := open(bucket)
			n, last := 0, error(nil)
			for _, err := range src.Items(t.Context()) {
				if n++; n == 100 {
					require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte(strings.Repeat("x", len(data))), nil))
				}
				last = err
			}
			require.ErrorIs(t, last, source.ErrChanged)
		})
	}
}

func TestEachPartIsAskedForOnTheConditionOfTheFirstETag(t *testing.T) {
	for _, lines := range []bool{false, true} {
		bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": numbered(2000)}))
		attributes, err := bucket.Attributes(t.Context(), "k")
		require.NoError(t, err)
		var asked atomic.Int64
		store := source.StoreFeatures{IfMatch: func(_ func(any) bool, etag string) bool {
			if etag == attributes.ETag {
				asked.Add(1)
			}
			return true
		}}
		open := func() error {
			_, err := try(t.Context(), source.Divide(source.CSV(bucket.Bucket, "k", source.Strings, source.CSVOptions{Store: store}), 3000))
			return err
		}
		if lines {
			decode := func(line []byte) (string, error) { return string(line), nil }
			open = func() error {
				o := source.JSONLinesOptions[string]{Store: store, Decode: decode}
				_, err := try(t.Context(), source.Divide(source.JSONLines(bucket.Bucket, "k", o), 3000))
				return err
			}
		}
		require.NoError(t, open())
		require.Equal(t, int64(bucket.Calls(dmaptest.OpOpen)), asked.Load())
		require.Greater(t, asked.Load(), int64(15))

		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: 12, Code: gcerrors.FailedPrecondition})
		var changed *source.ChangedError
		require.ErrorAs(t, open(), &changed)
		require.Equal(t, "version", changed.What)
	}
}

func TestPlanningThatFailsSaysWhy(t *testing.T) {
	for _, lines := range []bool{false, true} {
		bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": numbered(3000)}))
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Nth: 9, Sticky: true, Code: gcerrors.PermissionDenied})
		var err error
		if lines {
			_, err = try(t.Context(), source.Divide(source.JSONLines[any](bucket.Bucket, "k"), 3000))
		} else {
			_, err = try(t.Context(), source.Divide(source.CSV(bucket.Bucket, "k", source.Strings), 3000))
		}
		require.Equal(t, gcerrors.PermissionDenied, gcerrors.Code(err))
		require.ErrorContains(t, err, `"k"`)
	}
}
