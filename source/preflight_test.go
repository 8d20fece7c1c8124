package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// tried runs the tries of a source.
func tried[T any](ctx context.Context, src dmap.Source[T]) (ops []string, failed string) {
	var mu sync.Mutex
	plan(src).Try(ctx, func(c dmap.Check) {
		mu.Lock()
		defer mu.Unlock()
		op := c.Op
		switch {
		case c.NotTried:
			op = "no " + op
		case c.Err != nil:
			op = "failed " + op
			failed += fmt.Sprintln((&dmap.PreflightError{Check: c}).Error())
		}
		ops = append(ops, op)
	})
	return ops, failed
}

// everySource returns a source of each kind over a bucket, with the tries that it makes.
func everySource(bucket *blob.Bucket) map[string]struct {
	try  func(context.Context) ([]string, string)
	want []string
} {
	type tries = struct {
		try  func(context.Context) ([]string, string)
		want []string
	}
	of := func(try func(context.Context) ([]string, string), want ...string) tries { return tries{try, want} }
	objects := source.Objects(bucket, "data/")
	lines := func(o source.Object) dmap.Source[map[string]int] { return source.JSONLinesOf[map[string]int](o) }
	return map[string]tries{
		"objects": of(func(ctx context.Context) ([]string, string) { return tried(ctx, objects) }, "list", "read"),
		"keys": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Keys(bucket, []string{"data/a.jsonl"}))
		}, "read the attributes of", "read"),
		"csv": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.CSV(bucket, "rows.csv", source.Maps))
		}, "read the attributes of", "read", "decode the first record of"),
		"json lines": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.JSONLines[map[string]int](bucket, "data/a.jsonl"))
		}, "read the attributes of", "read", "decode the first record of"),
		"json array": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.JSONArray[int](bucket, "array.json"))
		}, "read the attributes of", "read", "decode the first record of"),
		"filter": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Filter(objects, func(source.Object) bool { return true }))
		}, "list", "read"),
		"transform": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Transform(objects, func(_ context.Context, o source.Object) (string, error) { return o.Key, nil }))
		}, "list", "read"),
		"flatten": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Flatten(objects, lines))
		}, "list", "read", "read", "decode the first record of"),
		"concat": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Concat(source.Flatten(objects, lines)))
		}, "list", "read", "read", "decode the first record of"),
		"slice": of(func(ctx context.Context) ([]string, string) { return tried(ctx, source.Slice([]int{1})) }, "read"),
		"sequence": of(func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Seq(slices.Values([]int{1})))
		}, "read the first item"),
	}
}

var triedObjects = map[string]string{
	"data/a.jsonl": "{\"n\":1}\n{\"n\":2}\n", "data/b.jsonl": "{\"n\":3}\n", "rows.csv": "a,b\n1,2\n", "array.json": "[1,2]",
}

func TestEverySourceCanBeTried(t *testing.T) {
	for name, test := range everySource(memory(t, triedObjects)) {
		t.Run(name, func(t *testing.T) {
			ops, failed := test.try(t.Context())
			require.Empty(t, failed)
			require.Equal(t, test.want, ops)
		})
	}
}

// A store refuses, or never answers, an operation: each try that needs it is named, with the
// permission, and none takes longer than it may.
func TestTheTriesOfSourcesNameWhatFails(t *testing.T) {
	for op, words := range map[dmaptest.Op]struct{ try, permission string }{
		dmaptest.OpList:       {"list", "s3:ListBucket"},
		dmaptest.OpAttributes: {"attributes", "s3:GetObject"},
		dmaptest.OpOpen:       {"read", "s3:GetObject"},
	} {
		for _, kind := range []dmaptest.Kind{dmaptest.Fail, dmaptest.Stall} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bucket := dmaptest.NewFaultBucket(t, memory(t, triedObjects))
					for name, test := range everySource(bucket.Bucket) {
						usual := bucket.Calls(op)
						test.try(t.Context())
						uses := bucket.Calls(op) > usual
						bucket.Inject(dmaptest.Fault{Op: op, Sticky: true, Kind: kind, Code: gcerrors.PermissionDenied, Err: errors.New("access denied")})
						ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
						began := time.Now()
						ops, failed := test.try(ctx)
						cancel()
						require.LessOrEqual(t, time.Since(began), 7*time.Second, name)
						bucket.Heal()
						require.Equal(t, uses, failed != "", "%s: %v", name, ops)
						if uses {
							require.Contains(t, failed, words.try, name)
						}
						switch {
						case uses && kind == dmaptest.Fail:
							require.Contains(t, failed, words.permission, name)
						case uses:
							require.Contains(t, failed, "no answer within", name)
						}
					}
				})
			})
		}
	}
}

func TestTheTriesOfSourcesFindWrongInput(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": "a\nx\n", "bad.jsonl": "{\n", "half.json": "[1,", "empty.csv": ""})
	type row struct {
		A int `csv:"a"`
	}
	csv := source.CSV(bucket, "rows.csv", source.Into[row])
	for name, test := range map[string]struct {
		try  func(context.Context) ([]string, string)
		want string
	}{
		"a cell": {func(ctx context.Context) ([]string, string) { return tried(ctx, csv) }, `column "a"`},
		"a line": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.JSONLines[int](bucket, "bad.jsonl"))
		}, "line 1"},
		"no object": {func(ctx context.Context) ([]string, string) { return tried(ctx, source.Objects(bucket, "none/")) }, "no object has the prefix"},
		"allowed to be": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Objects(bucket, "none/", source.ObjectsOptions{AllowEmpty: true}))
		}, ""},
		"gone": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.CSV(bucket, "other.csv", source.Maps))
		}, "check the names"},
		"a missing key": {func(ctx context.Context) ([]string, string) { return tried(ctx, source.Keys(bucket, []string{"x"})) }, "check the names"},
		"no rows": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.CSV(bucket, "empty.csv", source.Maps))
		}, ""},
		"opens to none": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Flatten(source.Objects(bucket, ""), func(source.Object) dmap.Source[int] { return nil }))
		}, "open returned no source"},
		"opens and panics": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Flatten(source.Objects(bucket, ""), func(source.Object) dmap.Source[int] { panic("oh") }))
		}, "oh"},
		"a part": {func(ctx context.Context) ([]string, string) {
			return tried(ctx, source.Concat(source.Slice([]row{{1}}), csv))
		}, `column "a"`},
	} {
		ops, failed := test.try(t.Context())
		if test.want == "" {
			require.Empty(t, failed, name)
			continue
		}
		require.Contains(t, failed, test.want, "%s: %v", name, ops)
		require.Equal(t, 1, strings.Count(failed, "preflight"), "%s: %s", name, failed)
	}
}

// The object that a preflight of another run has just created is no item.
func TestAListingLeavesOutTheObjectsOfPreflights(t *testing.T) {
	bucket := memory(t, map[string]string{"a": "", "r/.dmap-preflight-ABCDEFGHIJKLMNOPQRSTUVWXYZ": "", "r/.dmap-preflight-x": ""})
	items := read(t, source.Objects(bucket, ""))
	require.Equal(t, "a\nr/.dmap-preflight-x\n", onlyKeys(items))
}

func onlyKeys(items []dmap.Item[source.Object]) string {
	var b strings.Builder
	for _, item := range items {
		b.WriteString(item.Key + "\n")
	}
	return b.String()
}

// Redact.Key hides keys of items wherever a preflight names them.
func TestThePreflightOfASourceRedactsKeys(t *testing.T) {
	bucket := memory(t, map[string]string{"in/jane.json": "{"})
	opts := dmap.Options{Redact: dmap.Redact{Key: func(string) string { return "KEY" }}}
	panics := func(context.Context, source.Object) (source.Object, error) { panic("oh") }
	objects := source.Objects(bucket, "in/")
	for name, src := range map[string]dmap.Source[source.Object]{
		"objects":     objects,
		"keys":        source.Keys(bucket, []string{"in/jane.json"}),
		"absent key":  source.Keys(bucket, []string{"in/jane.txt"}),
		"transformed": source.Transform(objects, panics),
	} {
		report, err := dmap.Preflight(t.Context(), source.Flatten(src, func(o source.Object) dmap.Source[int] { return source.JSONLinesOf[int](o) }),
			func(context.Context, int) (int, error) { return 0, nil }, opts)
		require.Error(t, err, name)
		require.Contains(t, report.String(), "KEY", name)
		require.NotContains(t, report.String()+err.Error(), "jane", name)
	}
}
