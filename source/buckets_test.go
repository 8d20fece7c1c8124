package source_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// own is a user's combinator that knows nothing of Plans.
type own struct{ objects dmap.Source[source.Object] }

func (o own) Items(ctx context.Context) iter.Seq2[dmap.Item[source.Object], error] {
	return o.objects.Items(ctx)
}

func TestFlattenTakesAnySourceOfObjects(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"a": "n\n1\n", "b": "n\n2\n3\n"}))
	open := func() dmap.Source[[]string] {
		return source.Flatten[[]string](own{source.Objects(bucket.Bucket, "")}, rowsIn)
	}
	dmaptest.TestSource(t, func(testing.TB) dmap.Source[[]string] { return open() })
	var splits []dmap.Split
	for s, err := range plan(open()).Splits(t.Context()) {
		require.NoError(t, err)
		splits = append(splits, s)
	}
	before := bucket.Calls(dmaptest.OpList)
	other := plan(open()) // in another process, which has listed nothing
	for range 3 {
		for item, err := range other.Read(t.Context(), splits[len(splits)-1]) {
			require.NoError(t, err)
			require.NoError(t, item.Err)
			require.Equal(t, "b", item.Key)
		}
	}
	require.Equal(t, 1, bucket.Calls(dmaptest.OpList)-before, "the bucket is looked for once")
}

func TestFlattenRefusesASecondBucketThatItCannotNumber(t *testing.T) {
	one, two := memory(t, map[string]string{"a": "n\n1\n"}), memory(t, map[string]string{"a": "n\n2\n"})
	both := source.Concat(source.Objects(one, ""), source.Objects(two, ""))
	require.Equal(t, [][]string{{"1"}, {"2"}}, values(read(t, source.Flatten(both, rowsIn))))
	_, err := try(t.Context(), source.Flatten[[]string](own{both}, rowsIn))
	require.ErrorContains(t, err, `object "a": it lies in another bucket`)
	moved := source.Transform(source.Objects(one, ""), func(_ context.Context, o source.Object) (source.Object, error) { return o.In(two), nil })
	_, err = try(t.Context(), source.Flatten(moved, rowsIn))
	require.ErrorContains(t, err, `object "a": it lies in another bucket`)
	bound := source.Transform(source.Slice([]string{"a"}), func(_ context.Context, key string) (source.Object, error) {
		return source.Object{Key: key, Size: 4}.In(two), nil
	})
	require.Equal(t, [][]string{{"2"}}, values(read(t, source.Flatten(bound, rowsIn))))
}

func TestAnObjectWithoutABucketCostsOneItem(t *testing.T) {
	bucket := memory(t, map[string]string{"b": "n\n2\n"})
	objects := source.Slice([]source.Object{{Key: "a"}, source.Object{Key: "b", Size: 4}.In(bucket)})
	items := read(t, source.Flatten(objects, rowsIn))
	require.Len(t, items, 2)
	require.ErrorContains(t, items[0].Err, "see Object.In")
	require.Equal(t, []string{"2"}, items[1].Value)
}

// A stored split or item may come from the run folder of another source.
func TestObjectsOutsideTheListingAreRefused(t *testing.T) {
	bucket := memory(t, map[string]string{"in/a.txt": "1", "in/b.csv": "1", "private/c.txt": "1"})
	other := memory(t, map[string]string{"in/a.txt": "1"})
	listed := func(b *blob.Bucket) dmap.Source[source.Object] {
		return source.Objects(b, "in/", source.ObjectsOptions{Glob: "*.txt"})
	}
	filtered := source.Filter(listed(bucket), func(source.Object) bool { return true })
	for name, src := range map[string]struct {
		of dmap.Source[source.Object]
		id string // starts the IDs
	}{
		"objects":           {listed(bucket), ""},
		"filter":            {filtered, ""},
		"concat":            {source.Concat(filtered, source.Objects(bucket, "none/")), "0/"},
		"filter of concats": {source.Filter(source.Concat(listed(bucket), listed(other)), func(source.Object) bool { return true }), "0/"},
	} {
		rows := plan(source.Flatten(src.of, oneItem))
		readOf := func(s dmap.Split) (err error) {
			for _, err = range rows.Read(t.Context(), s) {
			}
			return err
		}
		stored := func(object, key string) dmap.Split {
			return dmap.Split{ID: src.id + "keys", Object: object, Version: fmt.Sprintf("place:%d:%slisted:1:0::", len(key), key)}
		}
		require.NoError(t, readOf(stored("in/a.txt", "in/a.txt")), name)
		require.NoError(t, readOf(stored("", "in/a.txt")), name)
		for _, key := range []string{"private/c.txt", "in/b.csv", "a.txt", ""} {
			require.ErrorContains(t, readOf(stored(key, key)), "it has no split", "%s of %s", key, name)
		}
		renamed := stored("in/a.txt", "in/a.txt")
		renamed.Version = "place:8:in/a.txtkey:13:private/c.txtlisted:1:0::"
		require.ErrorContains(t, readOf(renamed), "it has no split", name)
		require.ErrorContains(t, readOf(stored("private/c.txt", "in/a.txt")), "it has no split", name)
	}
	for _, key := range []string{"private/c.txt", "a", ""} {
		_, err := plan(listed(bucket)).Find(t.Context(), dmap.Split{ID: "keys", To: dmap.Cursor{Key: key}})
		require.ErrorContains(t, err, "it has no split", key)
	}
}

// A Transform may yield other objects of the bucket than those that were listed.
func TestObjectsThatATransformNamesAreRead(t *testing.T) {
	bucket := memory(t, map[string]string{"in/a": "1", "data/a": "2\n"})
	renamed := source.Transform(source.Objects(bucket, "in/"), func(_ context.Context, o source.Object) (source.Object, error) {
		o.Key = "data/a"
		return o, nil
	})
	rows := source.Flatten(renamed, func(o source.Object) dmap.Source[int] { return source.JSONLinesOf[int](o) })
	require.Equal(t, []int{2}, values(read(t, rows)))
}
