package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// taken returns the keys of the items that are not skipped.
func taken(tb testing.TB, src dmap.Source[source.Object]) string {
	tb.Helper()
	var keys []string
	items, err := try(tb.Context(), src)
	for _, item := range items {
		if item.Err == nil {
			keys = append(keys, item.Key)
		} else {
			require.ErrorIs(tb, item.Err, dmap.ErrSkip)
		}
	}
	if err != nil {
		require.ErrorIs(tb, err, dmap.ErrNoObjects)
		require.Empty(tb, keys)
	}
	return strings.Join(keys, " ")
}

func TestObjectsChoosesByPrefixGlobAndMatch(t *testing.T) {
	bucket := memory(t, map[string]string{
		"d/": "", "d/a.json": "1", "d/b.csv": "22", "d/x/a.json": "333", "d/x/y/a.json": "4444", "d/x/": "", "da.json": "5", "e": "",
	})
	for _, test := range []struct {
		prefix, glob, want string
	}{
		{"", "", "d/a.json d/b.csv d/x/a.json d/x/y/a.json da.json e"},
		{"d", "", "d/a.json d/b.csv d/x/a.json d/x/y/a.json da.json"},
		{"d/", "", "d/a.json d/b.csv d/x/a.json d/x/y/a.json"},
		{"d/", "*.json", "d/a.json"},
		{"d", "*.json", "d/a.json da.json"},
		{"d/", "**/*.json", "d/a.json d/x/a.json d/x/y/a.json"},
		{"d/", "*/a.json", "d/x/a.json"},
		{"d/", "**/y/**", "d/x/y/a.json"},
		{"d/", "**", "d/a.json d/b.csv d/x/a.json d/x/y/a.json"},
		{"", "**/[ab].*", "d/a.json d/b.csv d/x/a.json d/x/y/a.json"},
		{"d/", "{a,x}.json", "d/a.json"},
		{"d/", `\{a,x\}.json`, ""},
		{"none/", "", ""},
	} {
		require.Equal(t, test.want, taken(t, source.Objects(bucket, test.prefix, source.ObjectsOptions{Glob: test.glob})), "%+v", test)
	}
	big := func(o source.Object) bool { return o.Size > 2 }
	require.Equal(t, "d/x/a.json d/x/y/a.json", taken(t, source.Objects(bucket, "", source.ObjectsOptions{Match: big})))
	require.Equal(t, "d/ d/a.json d/b.csv d/x/ d/x/a.json d/x/y/a.json",
		taken(t, source.Objects(bucket, "d/", source.ObjectsOptions{KeepFolders: true})))
}

func TestGlobWithManyStarsTakesLinearTime(t *testing.T) {
	bucket := memory(t, map[string]string{strings.Repeat("a/", 400) + "b": ""})
	glob := strings.Repeat("**/a/", 100) + "c"
	require.Empty(t, taken(t, source.Objects(bucket, "", source.ObjectsOptions{Glob: glob})))
}

func TestWrongArgumentsAreReportedAllAtOnceBeforeAnyRequest(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, nil))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpList, Sticky: true})
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpAttributes, Sticky: true})
	for name, test := range map[string]struct {
		src  dmap.Source[source.Object]
		want []string
	}{
		"objects":   {source.Objects(nil, "d/", source.ObjectsOptions{Glob: "[a"}), []string{"objects d/[a", "bucket is nil", "syntax error"}},
		"glob":      {source.Objects(bucket.Bucket, "", source.ObjectsOptions{Glob: "a**"}), []string{"** must stand alone"}},
		"options":   {source.Objects(bucket.Bucket, "", source.ObjectsOptions{}, source.ObjectsOptions{}), []string{"2 options"}},
		"json":      {source.JSONLines(nil, "", source.JSONLinesOptions[source.Object]{MaxRecord: -1}), []string{"bucket is nil", "key is empty", "MaxRecord -1"}},
		"csv":       {source.CSV[source.Object](nil, "k", nil, source.CSVOptions{Delimiter: '"', MaxFields: -2, Ragged: 7, Header: []string{}}), []string{"csv k", "bucket is nil", "decoder is nil", `Delimiter '"'`, "MaxFields -2", "Ragged 7", "no columns"}},
		"header":    {source.CSV(bucket.Bucket, "k", source.Into[source.Object], source.CSVOptions{Header: []string{"a", "b", "a"}}), []string{`column 3 "a", as column 1`}},
		"filter":    {source.Filter(source.Objects(nil, ""), nil), []string{"bucket is nil", "keep is nil"}},
		"transform": {source.Transform[int, source.Object](source.Seq[int](nil), nil), []string{"sequence is nil", "function is nil"}},
		"concat":    {source.Concat(source.Objects(nil, ""), nil), []string{"bucket is nil", "part 1 is nil"}},
		"flatten":   {source.Flatten[source.Object](source.Objects(nil, ""), nil), []string{"contents of objects", "bucket is nil", "open is nil"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, items := try(t.Context(), test.src)
			var splits, piece error
			for _, splits = range plan(test.src).Splits(t.Context()) {
			}
			for _, piece = range plan(test.src).Read(t.Context(), dmap.Split{ID: "0/x"}) {
			}
			validate := plan(test.src).Err
			for _, err := range []error{validate, items, splits, piece} {
				for _, want := range test.want {
					require.ErrorContains(t, err, want)
				}
			}
		})
	}
	require.Zero(t, bucket.Calls(dmaptest.OpList)+bucket.Calls(dmaptest.OpAttributes))
}

func TestPanicOfAUsersFunctionCostsTheItem(t *testing.T) {
	bucket := memory(t, map[string]string{"a": "", "b": ""})
	panics := func(o source.Object) bool {
		if o.Key == "a" {
			panic("boom")
		}
		return true
	}
	for name, src := range map[string]dmap.Source[source.Object]{
		"match":  source.Objects(bucket, "", source.ObjectsOptions{Match: panics}),
		"filter": source.Filter(source.Objects(bucket, ""), panics),
		"etag":   source.Objects(bucket, "", source.ObjectsOptions{Store: source.StoreFeatures{ETag: func(o *blob.ListObject) string { panics(source.Object{Key: o.Key}); return "e" }}}),
	} {
		items := read(t, src)
		require.Len(t, items, 2, name)
		var panicked *dmap.PanicError
		require.ErrorAs(t, items[0].Err, &panicked, name)
		require.NoError(t, items[1].Err, name)
	}
}

// object returns the only object of a bucket.
func object(tb testing.TB, bucket *blob.Bucket, options ...source.ObjectsOptions) source.Object {
	tb.Helper()
	items := read(tb, source.Objects(bucket, "", options...))
	require.Len(tb, items, 1)
	return items[0].Value
}

// requireSame compares without printing megabytes.
func requireSame(tb testing.TB, want string, got []byte) {
	tb.Helper()
	require.Len(tb, got, len(want))
	require.Zero(tb, bytes.Compare([]byte(want), got), "the bytes differ")
}

func TestObjectIsReadWhole(t *testing.T) {
	big := strings.Repeat("0123456789", 2<<20)
	for name, data := range map[string]string{"empty": "", "small": "hello", "big": big} {
		bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": data}))
		o := object(t, bucket.Bucket)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 3, Err: syscall.ECONNRESET})
		got, err := o.ReadAll(t.Context())
		require.NoError(t, err, name)
		requireSame(t, data, got)
		r, err := o.Open(t.Context())
		require.NoError(t, err)
		streamed, err := io.ReadAll(r)
		require.NoError(t, err)
		requireSame(t, data, streamed)
		require.NoError(t, r.Close())
	}
}

func TestWholeObjectIsReadAsItIsNow(t *testing.T) {
	bucket := memory(t, map[string]string{"k": "[1]"})
	o := object(t, bucket)
	require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte("[1, 2, 3]"), nil))
	got, err := o.ReadAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, "[1, 2, 3]", string(got))
	var v []int
	require.NoError(t, o.DecodeJSON(t.Context(), &v))
	require.Equal(t, []int{1, 2, 3}, v)
	r, err := o.Open(t.Context())
	require.NoError(t, err)
	got, err = io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "[1, 2, 3]", string(got))
	require.NoError(t, bucket.Delete(t.Context(), "k"))
	_, err = o.ReadAll(t.Context())
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
	require.Equal(t, "gone", dmap.Class(err))
	require.ErrorContains(t, err, `"k"`)
}

// An object that is replaced while it is read is no mixture of both.
func TestObjectThatChangesWhileItIsReadIsNamed(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": strings.Repeat("a", 5000)}))
	o := object(t, bucket.Bucket)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Reset, After: 100, Err: syscall.ECONNRESET})
	r, err := o.Open(t.Context())
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, 50))
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte(strings.Repeat("b", 6000)), nil))
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, source.ErrChanged)
	require.Equal(t, "changed", dmap.Class(err))
	var changed *source.ChangedError
	require.ErrorAs(t, err, &changed)
	require.Equal(t, source.ChangedError{Key: "k", What: "size", Was: "5000", Now: "6000"}, *changed)
}

func TestObjectThatStallsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "one"}))
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Kind: dmaptest.Stall, Sticky: true})
		for stall, want := range map[time.Duration]time.Duration{0: source.DefaultStallTimeout, time.Second: time.Second} {
			o := object(t, bucket.Bucket, source.ObjectsOptions{StallTimeout: stall})
			started := time.Now()
			_, err := o.ReadAll(t.Context())
			require.ErrorIs(t, err, source.ErrStalled)
			require.Equal(t, want, time.Since(started))
		}
	})
}

func TestObjectGoesThroughJSONButNeedsItsListing(t *testing.T) {
	o := object(t, memory(t, map[string]string{"a/k": "one"}))
	text, err := json.Marshal(o)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	require.Equal(t, "a/k", fields["key"])
	require.EqualValues(t, 3, fields["size"])
	require.Len(t, fields["md5"], 32)
	var again source.Object
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, []any{o.Key, o.Size, o.MD5, o.ETag}, []any{again.Key, again.Size, again.MD5, again.ETag})
	require.True(t, o.ModTime.Equal(again.ModTime))
	_, err = again.ReadAll(t.Context())
	require.ErrorContains(t, err, `object "a/k"`)
}

func TestBadJSONIsNamedWithItsPosition(t *testing.T) {
	for data, want := range map[string]string{
		`{"N": 1`: "at byte 7", `{"N": "x"}`: "at byte", `{"N": 1} x`: "at byte 10", "": "unexpected end",
	} {
		var v struct{ N int }
		err := object(t, memory(t, map[string]string{"k": data})).DecodeJSON(t.Context(), &v)
		require.ErrorContains(t, err, `object "k"`)
		require.ErrorContains(t, err, want)
	}
}

func TestListingErrorsEndTheSource(t *testing.T) {
	inner := memblob.OpenBucket(nil)
	bucket := dmaptest.NewFaultBucket(t, inner)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpList, Code: gcerrors.NotFound, Err: errors.New("NoSuchBucket: loans-in")})
	_, err := try(t.Context(), source.Objects(bucket.Bucket, "d/"))
	require.ErrorContains(t, err, `list "d/"`)
	require.ErrorContains(t, err, "NoSuchBucket: loans-in")
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
	require.NoError(t, inner.Close())
	_, err = try(t.Context(), source.Objects(inner, "d/"))
	require.ErrorContains(t, err, "closed")
}

func TestSourcesNameThemselves(t *testing.T) {
	bucket := memory(t, nil)
	objects := source.Objects(bucket, "d", source.ObjectsOptions{Glob: "*.json"})
	for want, src := range map[string]any{
		"objects d/*.json":             objects,
		"objects":                      source.Objects(bucket, ""),
		"csv orders.csv":               source.CSV(bucket, "orders.csv", source.Strings),
		"json lines x.jsonl":           source.JSONLines[int](bucket, "x.jsonl"),
		"slice of 2":                   source.Slice([]int{1, 2}),
		"filter of objects d/*.json":   source.Filter(objects, func(source.Object) bool { return true }),
		"contents of objects d/*.json": source.Flatten(objects, rowsIn),
		"concat of (slice of 1) and (sequence)": source.Concat(source.Slice([]int{1}),
			source.Seq(func(func(int) bool) {})),
	} {
		require.Equal(t, want, src.(interface{ String() string }).String())
	}
}
