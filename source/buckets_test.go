package source_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

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
