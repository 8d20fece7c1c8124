package source_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func numbersOf(o source.Object) dmap.Source[int] { return source.JSONLinesOf[int](o) }

// restOf returns the rest of the object "in/k" after n bytes of content, as a source knows it whose
// splits have this ID. place is empty if the object is the only one.
func restAfter(t *testing.T, content, id, place string) dmap.Split {
	t.Helper()
	one := memory(t, map[string]string{"k": content + "\"open"})
	var broken *dmap.BrokenObjectError
	_, err := try(t.Context(), source.CSV(one, "k", source.Strings))
	require.ErrorAs(t, err, &broken)
	require.EqualValues(t, len(content), broken.Offset)
	return dmap.Split{ID: id, Object: "in/k", From: dmap.Cursor{Key: place, Offset: broken.Offset}, Before: broken.Hash}
}

// The version of a rest is that of a split, so that a reading by it is of the compared object.
func TestARestIsComparedWithTheObjectAsItIsNow(t *testing.T) {
	const before = "1\n2\n3\n"
	wrap := func(src dmap.Source[int]) dmap.Source[int] {
		return source.Transform(source.Filter(src, func(int) bool { return true }), func(_ context.Context, n int) (int, error) { return n, nil })
	}
	for name, test := range map[string]struct {
		src       func(b *blob.Bucket) dmap.Source[int]
		id, place string
	}{
		"alone":   {func(b *blob.Bucket) dmap.Source[int] { return source.JSONLines[int](b, "in/k") }, "in/k", ""},
		"wrapped": {func(b *blob.Bucket) dmap.Source[int] { return wrap(source.JSONLines[int](b, "in/k")) }, "in/k", ""},
		"concat": {func(b *blob.Bucket) dmap.Source[int] {
			return source.Concat(source.Slice([]int{1}), source.JSONLines[int](b, "in/k"))
		}, "1/in/k", ""},
		"flatten": {func(b *blob.Bucket) dmap.Source[int] { return source.Flatten(source.Objects(b, "in/"), numbersOf) }, "keys", "in/k"},
		"flatten in concat": {func(b *blob.Bucket) dmap.Source[int] {
			return source.Concat(source.Slice([]int{1}), wrap(source.Flatten(source.Objects(b, "in/"), numbersOf)))
		}, "1/keys", "in/k"},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"in/k": before + "4\n5\n", "other": before}))
			p := plan(test.src(bucket.Bucket))
			rest := restAfter(t, before, test.id, test.place)
			var now dmap.Split
			for s, err := range p.Splits(t.Context()) {
				require.NoError(t, err)
				if s.Object == "in/k" {
					now = s
				}
			}
			require.Equal(t, test.id, now.ID, "the test knows the ID")

			version, err := p.Rest(t.Context(), rest)
			require.NoError(t, err)
			pinned := rest
			pinned.Version = now.Version
			same, err := p.Rest(t.Context(), pinned)
			require.NoError(t, err)
			require.Equal(t, now.Version, same)
			for _, v := range []string{version, same} {
				var got []int
				for item, err := range p.Read(t.Context(), dmap.Split{ID: test.id, Version: v, From: rest.From, To: dmap.Cursor{Key: test.place, Offset: 1 << 40}}) {
					require.NoError(t, err)
					got = append(got, item.Value)
				}
				require.Equal(t, []int{4, 5}, got)
			}

			require.NoError(t, bucket.WriteAll(t.Context(), "in/k", []byte(before+"4\n5\n6\n7\n"), nil))
			_, err = p.Rest(t.Context(), pinned)
			require.Equal(t, "changed", dmap.Class(err), "it is another version now")
			_, err = p.Rest(t.Context(), rest)
			require.NoError(t, err)
			for _, content := range []string{"1\n2\n9\n4\n", "1\n"} {
				require.NoError(t, bucket.WriteAll(t.Context(), "in/k", []byte(content), nil))
				_, err = p.Rest(t.Context(), rest)
				require.Equal(t, "changed", dmap.Class(err), content)
				require.ErrorIs(t, err, source.ErrChanged)
			}

			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "in/k", Err: errBusy{}, Sticky: true})
			_, err = p.Rest(t.Context(), rest)
			require.ErrorAs(t, err, &errBusy{})
			require.NotEqual(t, "changed", dmap.Class(err), "the store says nothing about the content")
			var broken *dmap.BrokenObjectError
			require.Equal(t, test.place != "", errors.As(err, &broken), "one of many does not stop the others")
			if broken != nil {
				require.Equal(t, rest.Before, broken.Hash)
				require.Equal(t, rest.From.Offset, broken.Offset)
			}
			wrong := rest
			wrong.ID = "7/nothing"
			_, err = p.Rest(t.Context(), wrong)
			require.Error(t, err)
			require.NotEqual(t, "changed", dmap.Class(err), "a split of another source is no change")
		})
	}
}

// plain is a source of the numbers of an object that compares nothing.
type plainNumbers struct{ dmap.Source[int] }

func TestARestThatNobodyComparesHasChanged(t *testing.T) {
	bucket := memory(t, map[string]string{"in/k": "1\n2\n3\n"})
	rest := restAfter(t, "1\n2\n", "keys", "in/k")
	for name, src := range map[string]dmap.Source[int]{
		"no Plan":  source.Flatten(source.Objects(bucket, "in/"), func(o source.Object) dmap.Source[int] { return plainNumbers{numbersOf(o)} }),
		"left out": source.Flatten(source.Filter(source.Objects(bucket, "in/"), func(source.Object) bool { return false }), numbersOf),
		"gone":     source.Flatten(source.Keys(bucket, []string{"in/none"}), numbersOf),
	} {
		split := rest
		if name != "no Plan" {
			for s, err := range plan(src).Splits(t.Context()) {
				require.NoError(t, err)
				if s.Object != "" {
					split = dmap.Split{ID: s.ID, Object: s.Object, Version: s.Version, From: dmap.Cursor{Key: s.To.Key, Offset: 4}, Before: rest.Before}
				}
			}
		}
		_, err := plan(src).Rest(t.Context(), split)
		want := map[string]string{"no Plan": "changed", "left out": "changed", "gone": "gone"}[name]
		require.Equal(t, want, dmap.Class(err), fmt.Sprint(err))
	}
	part := plan(source.Concat(source.Slice([]int{1}), source.JSONLines[int](bucket, "in/k")))
	_, err := part.Rest(t.Context(), dmap.Split{ID: "0/slice", From: rest.From, Before: rest.Before})
	require.Equal(t, "changed", dmap.Class(err), "a slice has no rests")
	require.Nil(t, plan(source.Concat(source.Slice([]int{1}), source.Slice([]int{2}))).Rest)
}
