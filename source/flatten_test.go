package source_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func TestJSONLinesThatAreBadFailAloneAndSayWhere(t *testing.T) {
	bucket := memory(t, map[string]string{"k": "\xef\xbb\xbf1\r\n\n{\n2 3\n\"\xff\"\n" + strings.Repeat("9", 50) + "\n4"})
	src := source.JSONLines(bucket, "k", source.JSONLinesOptions[any]{MaxRecord: 40})
	require.Equal(t, `k@3 1
k@7 ! object "k" line 3 (byte 7): json at byte 1: unexpected end of JSON input
k@9 ! object "k" line 4 (byte 9): json at byte 3: invalid character '3' after top-level value
k@13 ! object "k" line 5 (byte 13): invalid UTF-8
k@17 ! object "k" line 6 (byte 17): more than 40 record bytes
k@68 4
`, lines(read(t, src)))
	anything := source.JSONLines(bucket, "k", source.JSONLinesOptions[string]{AnyBytes: true, Decode: func(line []byte) (string, error) {
		if line[0] == '{' {
			panic("boom")
		}
		return string(line), nil
	}})
	items := read(t, anything)
	var panicked *dmap.PanicError
	require.ErrorAs(t, items[1].Err, &panicked)
	require.Equal(t, "\"\xff\"", items[3].Value)
}

func TestDeepJSONFailsAlone(t *testing.T) {
	bucket := memory(t, map[string]string{"k": strings.Repeat("[", 5_000_000) + "\n1\n"})
	items := read(t, source.JSONLines[any](bucket, "k"))
	require.ErrorContains(t, items[0].Err, "exceeded max depth")
	require.Equal(t, []any{1.0}, values(items))
}

func TestFlattenAsksForNothingButPagesAndBodies(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"a": "n\n1\n", "b": "n\n2\n"}))
	require.Equal(t, [][]string{{"1"}, {"2"}}, values(read(t, source.Flatten(source.Objects(bucket.Bucket, ""), rowsIn))))
	require.Zero(t, bucket.Calls(dmaptest.OpAttributes))
	require.Equal(t, 2, bucket.Calls(dmaptest.OpOpen))
	require.Equal(t, 1, bucket.Calls(dmaptest.OpList))
}

func TestObjectThatCannotBeReadCostsOneItem(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{
		"a": "n\n1\n", "b": "n\n2\n", "c": "n\n3\n\"open", "d/": "", "e": "n\n" + strings.Repeat("4\n", 200_000), "f": "other,n\n", "g": "n\n5\n",
	}))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Key: "b"})
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Key: "e", Nth: 2, Sticky: true})
	type n struct {
		N int `csv:"n"`
	}
	src := source.Flatten(source.Objects(bucket.Bucket, ""), func(o source.Object) dmap.Source[n] {
		if o.Key == "g" {
			return nil
		}
		return source.CSVOf(o, source.Into[n])
	})
	var bad []dmap.Item[n]
	good := map[string]int{}
	for _, item := range read(t, src) {
		if item.Err != nil {
			bad = append(bad, item)
		} else {
			good[item.Key]++
		}
	}
	require.Equal(t, 1, good["a"])
	require.Equal(t, 1, good["c"])
	require.Positive(t, good["e"])
	require.Len(t, bad, 5)
	for _, i := range []int{0, 1, 3} {
		var broken *dmap.BrokenObjectError
		require.ErrorAs(t, bad[i].Err, &broken)
		require.Equal(t, bad[i].Key, broken.Key)
	}
	require.Equal(t, "b", bad[0].ID())
	require.ErrorIs(t, bad[0].Err, dmaptest.ErrInjected)
	require.Equal(t, "c@4", bad[1].ID())
	require.ErrorContains(t, bad[1].Err, `object "c" breaks off at offset 4: object "c" line 3 (byte 4)`)
	require.ErrorIs(t, bad[2].Err, dmap.ErrSkip)
	require.EqualValues(t, 2+2*good["e"], bad[3].Offset)
	require.ErrorIs(t, bad[3].Err, dmaptest.ErrInjected)
	require.ErrorContains(t, bad[4].Err, `object "g"`)
}

func TestObjectsOfDifferentKindsFlattenToOneType(t *testing.T) {
	bucket := memory(t, map[string]string{"a.csv": "n\n1\n", "b.jsonl": "{\"n\":2}\n{\"n\":3}\n"})
	src := source.Flatten(source.Objects(bucket, ""), func(o source.Object) dmap.Source[number] {
		if strings.HasSuffix(o.Key, ".jsonl") {
			return source.JSONLinesOf[number](o)
		}
		return source.CSVOf(o, source.Into[number], source.CSVOptions{Header: []string{"N"}})
	})
	require.Equal(t, "a.csv@0 ! object \"a.csv\" line 1 (byte 0), column \"N\": \"n\": invalid syntax\na.csv@2 {1}\nb.jsonl@0 {2}\nb.jsonl@8 {3}\n", lines(read(t, src)))
}

func TestObjectOfWhichNothingWasReadIsReadAsItIsNow(t *testing.T) {
	bucket := memory(t, map[string]string{"a": "n\n1\n"})
	src := source.Flatten(source.Objects(bucket, ""), rowsIn)
	for split, err := range plan(src).Splits(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, bucket.WriteAll(t.Context(), "a", []byte("n\n11\n"), nil))
		for item, err := range plan(src).Read(t.Context(), split) {
			require.NoError(t, err)
			require.NoError(t, item.Err)
			require.Equal(t, []string{"11"}, item.Value)
		}
		split.From = dmap.Cursor{Key: "a", Offset: 4} // a part of the one that was listed was read
		for item, err := range plan(src).Read(t.Context(), split) {
			require.NoError(t, err)
			require.ErrorIs(t, item.Err, source.ErrChanged)
			require.Equal(t, "changed", dmap.Class(item.Err))
			var broken *dmap.BrokenObjectError
			require.ErrorAs(t, item.Err, &broken)
		}
	}
}

func TestWrongOptionsOfTheInnerSourceEndTheOuterOne(t *testing.T) {
	bucket := memory(t, map[string]string{"a": "n\n1\n", "b": "n\n"})
	_, err := try(t.Context(), source.Flatten(source.Objects(bucket, ""), func(o source.Object) dmap.Source[[]string] {
		return source.CSVOf(o, source.Strings, source.CSVOptions{MaxFields: -1})
	}))
	require.ErrorContains(t, err, "MaxFields -1")
}

func TestSplitsOfOthersAreRefused(t *testing.T) {
	bucket := memory(t, map[string]string{"a": ""})
	objects := source.Objects(bucket, "")
	for _, split := range []dmap.Split{{}, {ID: "x"}, {ID: "9/x"}, {ID: "-1/x"}, {ID: "a", Object: "a", Version: "listed:x:1::"}} {
		for _, err := range plan(source.Concat(source.Slice([]int{1}))).Read(t.Context(), split) {
			require.ErrorContains(t, err, "no split")
		}
		for _, err := range plan(source.Flatten(objects, rowsIn)).Read(t.Context(), split) {
			require.ErrorContains(t, err, "no split")
		}
	}
}
