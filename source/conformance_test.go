package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// manyRows has quoted line ends and empty lines. It has no bad rows: their errors name the line,
// which is not known to a reading that begins in the middle.
func manyRows() string {
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range 60 {
		switch i % 7 {
		case 3:
			fmt.Fprintf(&b, "%d,\"two\nlines, and a \"\"quote\"\"\"\r\n", i)
		case 5:
			fmt.Fprintf(&b, "\n%d,\n", i)
		default:
			fmt.Fprintf(&b, "%d,row\n", i)
		}
	}
	return b.String()
}

func manyLines() string {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "{\"n\":%d}\n", i)
		if i%9 == 0 {
			b.WriteString("\n \r\n")
		}
	}
	return b.String()
}

type number struct {
	N int `json:"n"`
}

func tree() map[string]string {
	objects := map[string]string{"a/": "", "other": "x"}
	for _, dir := range []string{"a/", "a-", "a/b/", "a/b-", "a0"} {
		for i := range 5 {
			objects[fmt.Sprintf("%s%d.json", dir, i)] = fmt.Sprint(i)
		}
	}
	return objects
}

func rowsIn(o source.Object) dmap.Source[[]string] { return source.CSVOf(o, source.Strings) }

func TestObjectsConform(t *testing.T) {
	for name, open := range map[string]func(testing.TB, map[string]string) *blob.Bucket{"memory": memory, "folder": folder} {
		t.Run(name, func(t *testing.T) {
			bucket := open(t, tree())
			same := func(a, b source.Object) bool { return a.Key == b.Key && a.Size == b.Size && a.ModTime.Equal(b.ModTime) }
			dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] {
				return source.Objects(bucket, "a", source.ObjectsOptions{Glob: "**/[0-3].json"})
			}, same)
		})
	}
}

// A cloud is listed in ranges, which are divided where more than a few pages remain.
func TestObjectsListedByManyConform(t *testing.T) {
	for _, name := range []string{"names", "days"}[:testsize.Sizes{Race: 1, Usual: 2}.Now()] {
		t.Run(name, func(t *testing.T) {
			bucket := blob.NewBucket(&cloud{keys: shape(name, 4500), inclusive: name == "names"})
			defer bucket.Close()
			var made atomic.Int64
			dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] {
				return countedDivisions{source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, Listers: 5}), &made}
			}, func(a, b source.Object) bool { return a.Key == b.Key && a.Size == b.Size })
			require.Greater(t, made.Load(), int64(5))
		})
	}
}

// countedDivisions counts the divisions that a source makes.
type countedDivisions struct {
	dmap.Source[source.Object]
	made *atomic.Int64
}

func (c countedDivisions) Plan() dmap.Plan[source.Object] {
	p := plan(c.Source)
	trySplit := p.TrySplit
	p.TrySplit = func(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
		if which, at, ok = trySplit(ctx, reading); ok {
			c.made.Add(1)
		}
		return which, at, ok
	}
	return p
}

func TestRecordSourcesConform(t *testing.T) {
	bucket := folder(t, map[string]string{
		"rows.csv": manyRows(), "lines.jsonl": manyLines(), "in/1": manyRows(), "in/2": "a,b\n", "in/3": "", "in/4": manyRows(), "in/5/": "",
	})
	t.Run("csv", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[[]string] {
			return source.CSV(bucket, "rows.csv", source.Strings)
		})
	})
	t.Run("json lines", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] { return source.JSONLines[number](bucket, "lines.jsonl") })
	})
	t.Run("flatten", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[[]string] {
			return source.Flatten(source.Objects(bucket, "in/"), rowsIn)
		})
	})
	t.Run("flatten of two listings", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[[]string] {
			both := source.Concat(source.Objects(bucket, "in/1"), source.Objects(bucket, "in/4"))
			return source.Flatten(source.Filter(both, func(o source.Object) bool { return o.Size > 0 }), rowsIn)
		})
	})
	t.Run("flatten to a source of another kind", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[int] {
			return source.Flatten(source.Objects(bucket, "in/"), func(o source.Object) dmap.Source[int] {
				return source.Slice([]int{1, 2, 3})
			})
		})
	})
}

func TestSourcesInMemoryConform(t *testing.T) {
	numbers := make([]int, 1100)
	for i := range numbers {
		numbers[i] = i
	}
	slice := func(testing.TB) dmap.Source[int] { return source.Slice(numbers) }
	t.Run("slice", func(t *testing.T) { dmaptest.TestSource(t, slice) })
	t.Run("sequence", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[int] { return source.Seq(slices.Values(numbers[:40])) })
	})
	t.Run("filter", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[int] {
			return source.Filter(source.Slice(numbers), func(n int) bool { return n%3 > 0 })
		})
	})
	t.Run("transform", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[string] {
			return source.Transform(source.Slice(numbers), func(_ context.Context, n int) (string, error) {
				if n%5 == 0 {
					return "", errors.New("five")
				}
				return fmt.Sprint(n), nil
			})
		})
	})
	t.Run("concat", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[int] {
			return source.Concat(source.Slice(numbers), source.Seq(slices.Values(numbers[:10])), source.Slice[int](nil))
		})
	})
}
