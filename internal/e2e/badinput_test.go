package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func TestMissingInputBucketIsASourceError(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		if s.missing == nil {
			return // in this store, every bucket that can be opened exists
		}
		out := s.bucket(t)
		_, err := dmap.Map(t.Context(), source.Objects(s.missing(t), "data/"), square, options("missing"), express(out))
		var broken *dmap.SourceError
		require.ErrorAs(t, err, &broken)
		require.ErrorContains(t, err, "data/")
		require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
		f := openFolder(t, out, "runs/missing")
		f.consistent(t, 1)
		require.Equal(t, "FAILED", f.manifest.Status)

		_, err = runJob(t.Context(), s.missing(t), out, options("later"))
		require.ErrorAs(t, err, &broken)
		held, err := out.Exists(t.Context(), "runs/later/manifest-000.json")
		require.NoError(t, err)
		require.False(t, held, "the run can be resumed when its source exists")
	})
}

func TestMissingResultsBucketFailsBeforeTheFirstCall(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		if s.missing == nil {
			return
		}
		in := s.bucket(t)
		fill(t, in, 3)
		called := false
		_, err := dmap.Map(t.Context(), source.Objects(in, "data/"), func(context.Context, source.Object) (squared, error) {
			called = true
			return squared{}, nil
		}, options("missing"), jobSink(s.missing(t)))
		var broken *dmap.SinkError
		require.ErrorAs(t, err, &broken)
		require.Equal(t, "open", broken.Op)
		require.ErrorContains(t, err, "runs/missing/run.json")
		require.False(t, called)
	})
}

func TestAnEmptyPrefixLeavesTheRunOpenUntilObjectsArrive(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		put(t, b, map[string]string{"database/other.json": "1"})
		for range 2 {
			stats, err := runJob(t.Context(), b, b, options("empty"))
			require.ErrorIs(t, err, dmap.ErrNoObjects)
			require.ErrorIs(t, err, dmap.ErrOpen)
			require.Zero(t, stats.Read)
		}
		fill(t, b, 3)
		stats, err := runJob(t.Context(), b, b, options("empty"))
		require.NoError(t, err)
		require.EqualValues(t, 3, stats.Succeeded)
		f := openFolder(t, b, "runs/empty")
		f.complete(t, 3)
		require.Equal(t, "SUCCEEDED", f.manifest.Status)
	})
}

func TestAnEmptyPrefixThatIsAllowedSucceeds(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		put(t, b, map[string]string{"database/other.json": "1"})
		src := source.Objects(b, "data/", source.ObjectsOptions{AllowEmpty: true})
		stats, err := dmap.Map(t.Context(), src, square, options("empty"), jobSink(b))
		require.NoError(t, err)
		require.Zero(t, stats.Read)
		f := openFolder(t, b, "runs/empty")
		f.complete(t, 0)
		require.Equal(t, "SUCCEEDED", f.manifest.Status)
		f.hasNoOtherObjects(t, b)
	})
}

func TestObjectsAreReadAsTheyAreWhenTheirCallComes(t *testing.T) {
	const n = 12
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		fill(t, b, n)
		put(t, b, map[string]string{objectKey(4): ""})
		opts := options("changing")
		opts.MaxConcurrency = 1
		opts.Retry.MaxAttempts = 1
		stats, err := dmap.Map(t.Context(), source.Objects(b, "data/"), func(ctx context.Context, o source.Object) (squared, error) {
			if o.Key == objectKey(0) { // all objects are listed by now
				require.NoError(t, b.Delete(ctx, objectKey(6)))
				put(t, b, map[string]string{objectKey(7): `{"n":7,"grown":true}`, objectKey(8): `{"n":8}`})
			}
			return square(ctx, o)
		}, opts, jobSink(b))
		require.NoError(t, err)
		require.EqualValues(t, n, stats.Read)
		f := openFolder(t, b, "runs/changing")
		f.complete(t, n, 4, 6) // 7 has grown, and 8 has become another object
		failed := f.records["FAILED"]
		require.Contains(t, failed[objectKey(4)].Error, "unexpected end of JSON", "empty")
		require.Contains(t, failed[objectKey(6)].Error, "NotFound", "deleted")
		require.Equal(t, "gone", failed[objectKey(6)].Class, "deleted")
	})
}

func TestInvalidArgumentsAreReportedTogetherBeforeAnyIO(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		opts := dmap.Options{RunID: "../up", MaxConcurrency: -1, MaxItems: -1, Tolerance: dmap.Tolerance{Percentage: 101}}
		_, err := dmap.Map(t.Context(), source.Objects(b, "data/", source.ObjectsOptions{Glob: "[", StallTimeout: -1}), square,
			opts, sink.Bucket[squared](b, "runs/../x", sink.BucketOptions{PartBytes: -1}))
		for _, wrong := range []string{"RunID", "MaxConcurrency", "MaxItems", "Percentage", `"["`, "runs/../x", "PartBytes"} {
			require.ErrorContains(t, err, wrong)
		}
		page, _, err := b.ListPage(t.Context(), []byte("first page"), 10, nil)
		require.NoError(t, err)
		require.Empty(t, page)
	})
}

func TestBadRowsFailAloneAndNameTheirLine(t *testing.T) {
	type order struct {
		ID    string `csv:"id"`
		Cents int    `csv:"cents"`
	}
	long := strings.Repeat("x", 2<<20)
	rows := "id,cents\na,1\nb,2,3\nc,many\nd,4\n\"e\xff\",5\n" + long + ",6\ng,7\n"
	onEachStore(t, func(t *testing.T, s store) {
		b := s.bucket(t)
		put(t, b, map[string]string{"orders.csv": rows})
		var got sink.Memory[int]
		opts := options("rows")
		opts.Tolerance.Percentage = 100
		stats, err := dmap.Map(t.Context(), source.CSV(b, "orders.csv", source.Into[order], source.CSVOptions{MaxRecord: 1 << 20}),
			func(_ context.Context, o order) (int, error) { return o.Cents, nil }, opts, &got)
		require.NoError(t, err)
		require.EqualValues(t, 7, stats.Read)
		require.Equal(t, []int{1, 4, 7}, got.Values())
		var failed []string
		for _, r := range got.Failed() {
			failed = append(failed, r.Err.Error())
			require.ErrorContains(t, r.Err, "orders.csv")
		}
		require.Len(t, failed, 4)
		for i, line := range []string{"line 3", "line 4", "line 6", "line 7"} {
			require.Contains(t, failed[i], line)
		}
	})
}
