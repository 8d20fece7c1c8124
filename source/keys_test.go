package source_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

func TestKeysConform(t *testing.T) {
	data := map[string]string{}
	var list []string
	for _, key := range strings.Fields("z a/b m a q é") {
		data[key] = "size " + key
		list = append(list, key)
	}
	bucket := memory(t, data)
	same := func(a, b source.Object) bool { return a.Key == b.Key && a.Size == b.Size }
	for name, src := range map[string]dmap.Source[source.Object]{
		"slice":    source.Keys(bucket, list),
		"sequence": source.Keys(bucket, slices.Values(list), source.ObjectsOptions{Listers: 2}),
		"glob":     source.Keys(bucket, list, source.ObjectsOptions{Glob: "a/*", Listers: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] { return src }, same)
		})
	}
}

func TestKeysAreReadAsTheyAreNowAndMissingOnesFailAlone(t *testing.T) {
	bucket := memory(t, map[string]string{"b": "old", "a": "1", "folder/": ""})
	src := source.Keys(bucket, []string{"b", "none", "a", "\xff", "", "folder/"})
	require.NoError(t, bucket.WriteAll(t.Context(), "b", []byte("newer"), nil))
	var got []string
	for _, item := range read(t, src) {
		switch {
		case item.Err == nil:
			content, err := item.Value.ReadAll(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, len(content), item.Value.Size)
			got = append(got, item.Key+"="+string(content))
		case item.Key == "":
			require.ErrorContains(t, item.Err, "key 4 is empty")
		case item.Key == "\xff": // gocloud refuses it
			require.ErrorContains(t, item.Err, "UTF-8")
		case item.Key == "folder/":
			require.ErrorIs(t, item.Err, dmap.ErrSkip)
		default:
			require.Equal(t, "none", item.ID())
			require.Equal(t, "gone", dmap.Class(item.Err))
			require.Equal(t, gcerrors.NotFound, gcerrors.Code(item.Err))
		}
	}
	require.Equal(t, []string{"b=newer", "a=1"}, got)
}

func TestWrongKeysAreReportedAtOnce(t *testing.T) {
	bucket := memory(t, nil)
	for want, src := range map[string]dmap.Source[source.Object]{
		`key "a" is there twice, at 1 and 3`: source.Keys(bucket, []string{"b", "a", "c", "a"}),
		"bucket is nil":                      source.Keys(nil, []string{"a"}),
		"Listers -1":                         source.Keys(bucket, []string{"a"}, source.ObjectsOptions{Listers: -1}),
		"sequence is nil":                    source.Keys(bucket, iter.Seq[string](nil)),
	} {
		require.ErrorContains(t, plan(src).Err, want)
		require.ErrorContains(t, plan(src).Err, "keys of ")
	}
	stats, err := dmap.Map(t.Context(), source.Keys(bucket, []string(nil)), keyOf, dmap.Options{})
	require.NoError(t, err, "no keys are no error")
	require.Zero(t, stats.Read)
}

func TestKeysResumeWithEachObjectOnce(t *testing.T) {
	data := map[string]string{}
	var list []string
	for i := range 300 {
		key := strings.Repeat("k", 1+i%7) + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		if _, ok := data[key]; !ok {
			list = append(list, key)
		}
		data[key] = "1"
	}
	in, out := memory(t, data), memory(t, nil)
	for call := 0; ; call++ {
		require.Less(t, call, 100)
		ctx, suspend := context.WithCancelCause(t.Context())
		var mu sync.Mutex
		calls := 0
		stats, err := dmap.Map(ctx, source.Keys(in, list), func(_ context.Context, o source.Object) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == 60 {
				suspend(dmap.ErrSuspended)
			}
			return o.Key, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 4}, sink.Bucket[string](out, ""))
		suspend(nil)
		if err == nil {
			require.EqualValues(t, len(list), stats.Succeeded)
			break
		}
		require.ErrorIs(t, err, dmap.ErrSuspended)
	}
	m, err := results.Load(t.Context(), out, "", "r")
	require.NoError(t, err)
	seen := map[string]bool{}
	for record, err := range results.Successes[string](t.Context(), out, m) {
		require.NoError(t, err)
		require.False(t, seen[record.Output])
		seen[record.Output] = true
	}
	require.Len(t, seen, len(list))
}

func TestKeysAreAskedForAtOnceAndFlatten(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"a": "1\n2\n", "b": "3\n"}))
	src := source.Flatten(source.Keys(bucket.Bucket, []string{"b", "none", "a"}), func(o source.Object) dmap.Source[int] {
		return source.JSONLinesOf[int](o)
	})
	items := read(t, src)
	require.Equal(t, []int{3, 1, 2}, values(items))
	require.Equal(t, "none", items[1].ID())
	require.Equal(t, "gone", dmap.Class(items[1].Err))
}

// A store that is busy costs no item; one that refuses a key costs that item.
func TestAnErrorOfTheStoreForAKey(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"a": "1", "b": "2"}))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpAttributes, Key: "b", Err: errBusy{}})
	items, err := try(t.Context(), source.Keys(bucket.Bucket, []string{"a", "b"}))
	require.ErrorAs(t, err, &errBusy{})
	require.Len(t, items, 1)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpAttributes, Key: "b", Code: gcerrors.PermissionDenied, Err: errors.New("403")})
	items, err = try(t.Context(), source.Keys(bucket.Bucket, []string{"a", "b"}))
	require.NoError(t, err)
	require.ErrorContains(t, items[1].Err, "403")
}

type errBusy struct{}

func (errBusy) Error() string     { return "busy" }
func (errBusy) ErrorCode() string { return "SlowDown" }
