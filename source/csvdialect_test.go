package source_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

func holding(t *testing.T, key string, content []byte) *blob.Bucket {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	require.NoError(t, bucket.WriteAll(t.Context(), key, content, nil))
	return bucket
}

// rowsOf returns the rows of a CSV object, and the errors of the rows that fail.
func rowsOf(t *testing.T, text string, o source.CSVOptions) (rows []map[string]string, failed []string) {
	t.Helper()
	var out sink.Memory[map[string]string]
	_, err := dmap.Map(t.Context(), source.CSV(holding(t, "a.csv", []byte(text)), "a.csv", source.Maps, o),
		func(_ context.Context, row map[string]string) (map[string]string, error) { return row, nil },
		dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Percentage: 100}}, &out)
	require.NoError(t, err)
	for _, r := range out.Failed() {
		failed = append(failed, r.Err.Error())
	}
	return out.Values(), failed
}

func TestBackslashesAreReadInTheDialectOfStepFunctions(t *testing.T) {
	const text = "id,name,note\n1,a\\,b,x\n2,\"say \\\"hi\\\"\",y\n3,c\\\\,z\\q\n4,\"d,e\",\"f\"\"g\"\n"
	want := []map[string]string{
		{"id": "1", "name": "a,b", "note": "x"}, {"id": "2", "name": `say "hi"`, "note": "y"},
		{"id": "3", "name": `c\`, "note": "zq"}, {"id": "4", "name": "d,e", "note": `f"g`},
	}
	for _, ragged := range []source.Ragged{source.RaggedFail, source.RaggedFill} {
		rows, failed := rowsOf(t, text, source.CSVOptions{Dialect: source.StepFunctionsCSV, Ragged: ragged})
		require.Empty(t, failed)
		require.Equal(t, want, rows)
		rows, failed = rowsOf(t, strings.ReplaceAll(text, ",", ";"), source.CSVOptions{Dialect: source.StepFunctionsCSV, Ragged: ragged, Delimiter: ';'})
		require.Empty(t, failed)
		require.Equal(t, "a;b", rows[0]["name"])
	}
}

// Rows of another dialect fail, and lose no field silently.
func TestBackslashesBeforeDelimitersFailUnderRFC4180(t *testing.T) {
	rows, failed := rowsOf(t, "id,name\n1,a\\,b\n2,\"say \\\"hi\\\"\"\n3,c\\d\n4\n5,x,y\n", source.CSVOptions{Ragged: source.RaggedFill})
	require.Equal(t, []map[string]string{{"id": "3", "name": `c\d`}, {"id": "4", "name": ""}, {"id": "5", "name": "x"}}, rows)
	require.Len(t, failed, 2)
	require.Contains(t, failed[0], "set Dialect to StepFunctionsCSV")
	require.Contains(t, failed[1], "text after the closing quote")
}

func TestADialectWithBackslashesIsReadFromAnyRow(t *testing.T) {
	const n = 400
	rows := func(dialect source.Dialect) dmap.Source[map[string]string] {
		var text strings.Builder
		text.WriteString("id,name\n")
		for i := range n {
			name := strings.Repeat("long ", 200) + " \"\"x\"\"\n,y"
			if dialect == source.StepFunctionsCSV && i > n/4 { // before it nothing keeps the object from being divided
				name = strings.Repeat("long ", 200) + " \\\"x\\\"\n\\,y"
			}
			fmt.Fprintf(&text, "%d,\"%s\"\n", i, name)
		}
		bucket := holding(t, "a.csv", []byte(text.String()))
		return source.DivideSmall(source.CSV(bucket, "a.csv", source.Maps, source.CSVOptions{Dialect: dialect}))
	}
	require.Greater(t, len(splitsOf(t, rows(source.RFC4180))), 10, "the object is large")
	src := rows(source.StepFunctionsCSV)
	require.Len(t, splitsOf(t, src), 1)
	next, i := dmap.Cursor{}, 0
	for item, err := range src.Items(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, item.Err)
		require.Equal(t, fmt.Sprint(i), item.Value["id"])
		if i == n/2 {
			next = item.Next
		}
		i++
	}
	require.Equal(t, n, i)
	for item, err := range dmap.PlanOf(src).Read(t.Context(), dmap.Split{ID: "a.csv", From: next}) {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(n/2+1), item.Value["id"])
		require.True(t, strings.HasSuffix(item.Value["name"], "\"x\"\n,y"))
		break
	}
}

func TestColumnsWithoutANameAtTheEndOfAHeaderAreIgnored(t *testing.T) {
	for _, header := range []string{"a,b,,", `a,b,"",,`, "a,b,,,,"} {
		width := strings.Count(header, ",") + 1
		text := header + "\n1,2" + strings.Repeat(",", width-2) + "\n3,4\n5\n6,7" + strings.Repeat(",", width-2) + "x\n8,9" + strings.Repeat(",", width-1) + "\n"
		rows, failed := rowsOf(t, text, source.CSVOptions{})
		require.Equal(t, []map[string]string{{"a": "1", "b": "2"}, {"a": "3", "b": "4"}}, rows, header)
		require.Len(t, failed, 3)
		require.Contains(t, failed[0], "1 fields, the header has 2")
		require.Contains(t, failed[1], fmt.Sprintf("field %d is not empty, and its column has no name", width))
		require.NotContains(t, failed[1], "x,")
		require.Contains(t, failed[2], fmt.Sprintf("%d fields", width+1))

		rows, failed = rowsOf(t, text, source.CSVOptions{Ragged: source.RaggedFill})
		require.Equal(t, []map[string]string{{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": ""}, {"a": "8", "b": "9"}}, rows, header)
		require.Len(t, failed, 1, "a field that is not empty does not vanish")
	}
	rows, failed := rowsOf(t, "a,,b\n1,2,3\n", source.CSVOptions{})
	require.Empty(t, failed)
	require.Equal(t, []map[string]string{{"a": "1", "": "2", "b": "3"}}, rows)
	rows, failed = rowsOf(t, "a,,b,\n1,2,3\n4,5,6,\n7,8,9,x\n", source.CSVOptions{})
	require.Len(t, failed, 1)
	require.Equal(t, []map[string]string{{"a": "1", "": "2", "b": "3"}, {"a": "4", "": "5", "b": "6"}}, rows)
	rows, failed = rowsOf(t, "a,b,\n1,2,\n3,4,5\n", source.CSVOptions{}) // one: a name like any other
	require.Empty(t, failed)
	require.Equal(t, []map[string]string{{"a": "1", "b": "2", "": ""}, {"a": "3", "b": "4", "": "5"}}, rows)
	rows, failed = rowsOf(t, "1,2,\n", source.CSVOptions{Header: []string{"a", "b", ""}})
	require.Empty(t, failed)
	require.Equal(t, []map[string]string{{"a": "1", "b": "2", "": ""}}, rows)
	_, err := dmap.Map(t.Context(), source.CSV(holding(t, "a.csv", []byte(",,\n1,2,3\n")), "a.csv", source.Maps),
		func(context.Context, map[string]string) (int, error) { return 0, nil }, dmap.Options{})
	require.ErrorContains(t, err, "no column of the header has a name: set CSVOptions.Header")
}

// A large object is read in splits, whose readers take the header from its start.
func TestColumnsWithoutANameAreIgnoredInEverySplit(t *testing.T) {
	row := strings.Repeat("1", 150) + ",2,,\n"
	const n = 5000
	src := source.DivideSmall(source.CSV(holding(t, "a.csv", []byte("a,b,,\n"+strings.Repeat(row, n))), "a.csv", source.Strings))
	require.Greater(t, len(splitsOf(t, src)), 10)
	stats, err := dmap.Map(t.Context(), src, func(_ context.Context, fields []string) (int, error) {
		if len(fields) != 2 {
			return 0, fmt.Errorf("%d fields", len(fields))
		}
		return 0, nil
	}, dmap.Options{})
	require.NoError(t, err)
	require.EqualValues(t, n, stats.Succeeded)
}

func TestTextThatIsCompressedALotTakesAnOption(t *testing.T) {
	line := "{\"a\":1}" + strings.Repeat(" ", 100_000) + "\n"
	const lines = 120 // more than the 10 MiB below
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(strings.Repeat(line, lines)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Greater(t, len(line)*lines/packed.Len(), 400)
	bucket := holding(t, "a.jsonl.gz", packed.Bytes())
	run := func(o source.JSONLinesOptions[map[string]int]) (dmap.Stats, error) {
		return dmap.Map(t.Context(), source.JSONLines(bucket, "a.jsonl.gz", o), func(context.Context, map[string]int) (int, error) { return 0, nil }, dmap.Options{})
	}
	var limit *source.LimitError
	_, err = run(source.JSONLinesOptions[map[string]int]{})
	require.ErrorAs(t, err, &limit)
	require.EqualValues(t, source.DefaultMaxRatio, limit.Max)
	_, err = run(source.JSONLinesOptions[map[string]int]{MaxRatio: 300})
	require.ErrorAs(t, err, &limit)
	require.EqualValues(t, 300, limit.Max)
	for _, ratio := range []int{2000, -1} {
		stats, err := run(source.JSONLinesOptions[map[string]int]{MaxRatio: ratio})
		require.NoError(t, err)
		require.EqualValues(t, lines, stats.Succeeded)
	}
	_, err = run(source.JSONLinesOptions[map[string]int]{MaxRatio: -1, MaxText: 10 << 20})
	require.ErrorAs(t, err, &limit)
	require.EqualValues(t, 10<<20, limit.Max)
	csv := source.CSV(bucket, "a.jsonl.gz", source.Strings, source.CSVOptions{MaxRatio: -1, Header: []string{"a"}, Ragged: source.RaggedFill})
	_, err = dmap.Map(t.Context(), csv, func(context.Context, []string) (int, error) { return 0, nil }, dmap.Options{Tolerance: dmap.Tolerance{Percentage: 100}})
	require.NoError(t, err)
}

func TestOptionsOfCSVThatMakeNoSenseAreRefused(t *testing.T) {
	bucket := holding(t, "a.csv", []byte("a\n1\n"))
	for want, o := range map[string]source.CSVOptions{
		"Dialect 7 is unknown":     {Dialect: 7},
		"Delimiter is a backslash": {Dialect: source.StepFunctionsCSV, Delimiter: '\\'},
		"Memory 1000: want":        {Memory: 1000},
		"MaxHeader -1":             {MaxHeader: -1},
	} {
		_, err := dmap.Map(t.Context(), source.CSV(bucket, "a.csv", source.Strings, o), func(context.Context, []string) (int, error) { return 0, nil }, dmap.Options{})
		require.ErrorContains(t, err, want)
	}
}

// With little memory a large object is one split, with more it is read in smaller parts.
func TestALargeObjectIsReadInAnyMemory(t *testing.T) {
	const n = 12_000
	var text strings.Builder
	text.WriteString("id,text\n")
	for i := range n {
		fmt.Fprintf(&text, "%d,\"%s, \"\"quoted\"\"\n%d\"\n", i, strings.Repeat("x", 3000), i)
	}
	bucket := holding(t, "a.csv", []byte(text.String()))
	for _, c := range []struct {
		memory int64
		most   int // splits
	}{{128 << 20, 60}, {source.MinMemory, 1}, {0, 40}, {64 << 20, 1}, {1 << 30, 40}}[:testsize.Sizes{Race: 2, Usual: 5}.Now()] {
		memory, most := c.memory, c.most
		src := source.CSV(bucket, "a.csv", source.Strings, source.CSVOptions{Memory: memory})
		var next []dmap.Split
		seen := make([]bool, n)
		for split, err := range dmap.PlanOf(src).Splits(t.Context()) {
			require.NoError(t, err)
			next = append(next, split)
		}
		if most == 1 {
			require.Len(t, next, 1, "%d bytes", memory)
		} else {
			require.Greater(t, len(next), 1, "%d bytes", memory)
			require.LessOrEqual(t, len(next), most, "%d bytes", memory)
		}
		for _, split := range next {
			for item, err := range dmap.PlanOf(src).Read(t.Context(), split) {
				if err != nil || item.Err != nil {
					t.Fatal(err, item.Err)
				}
				i, err := strconv.Atoi(item.Value[0])
				if err != nil || seen[i] {
					t.Fatalf("%d bytes: row %q, read before: %v", memory, item.Value[0], err == nil)
				}
				seen[i] = true
			}
		}
		for i := range seen {
			if !seen[i] {
				t.Fatalf("%d bytes: row %d is missing", memory, i)
			}
		}
	}
}
