package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// withoutLine is err without the line number: a reading that begins in the middle does not know it.
func withoutLine(err error) string {
	var row *source.RowError
	var limit *source.LimitError
	switch {
	case errors.As(err, &row):
		bare := *row
		bare.Line = 0
		return strings.Replace(err.Error(), row.Error(), bare.Error(), 1)
	case errors.As(err, &limit):
		bare := *limit
		bare.Line = 0
		return strings.Replace(err.Error(), limit.Error(), bare.Error(), 1)
	}
	return fmt.Sprint(err)
}

// told is all that a reading says: one line per item, then what ended it. An object may break off
// anywhere between its last item and the fault: a part begins after blank lines, and a whole object
// is unread from the end of the last item, before them.
func told[T any](items iter.Seq2[dmap.Item[T], error]) (lines []string) {
	var end int64 // of the last item
	for item, err := range items {
		if broken := new(dmap.BrokenObjectError); errors.As(err, &broken) {
			if broken.Offset < end {
				return append(lines, fmt.Sprintf("end: %v, which is before the end of the last item, %d", err, end))
			}
			return append(lines, fmt.Sprintf("end: object %q breaks off: %s", broken.Key, withoutLine(broken.Err)))
		}
		if err != nil {
			return append(lines, "end: "+withoutLine(err))
		}
		end = item.Next.Offset
		lines = append(lines, fmt.Sprintf("%s +%d >%d %v ! %s", item.ID(), item.Size, item.Next.Offset, item.Value, withoutLine(item.Err)))
	}
	return lines
}

// splitsOf plans all of src before anything is read.
func splitsOf[T any](tb testing.TB, src dmap.Source[T]) []dmap.Split {
	tb.Helper()
	var all []dmap.Split
	for s, err := range plan(src).Splits(tb.Context()) {
		require.NoError(tb, err)
		all = append(all, s)
	}
	return all
}

// pieced reads the splits in order until one ends with an error.
func pieced[T any](ctx context.Context, src dmap.Source[T], splits []dmap.Split) (lines []string) {
	for _, s := range splits {
		lines = append(lines, told(plan(src).Read(ctx, s))...)
		if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], "end: ") {
			break
		}
	}
	return lines
}

// checkDivided reads the source that open opens in parts of the given size in several ways. All
// must yield the same as a reading of the whole.
func checkDivided[T any](tb testing.TB, what string, open func() dmap.Source[T], part int64) (splits int) {
	tb.Helper()
	ctx := tb.Context()
	whole := open()
	want := told(plan(whole).Read(ctx, dmap.Split{}))
	src := source.Divide(open(), part)
	require.Equal(tb, want, told(src.Items(ctx)), "%s in parts of %d, one after the other", what, part)
	planned := splitsOf(tb, src)
	require.Equal(tb, want, pieced(ctx, src, planned), "%s in parts of %d, planned before", what, part)
	require.Equal(tb, want, pieced(ctx, source.Divide(open(), part), planned), "%s in parts of %d, elsewhere", what, part)
	require.Equal(tb, planned, splitsOf(tb, src), "%s in parts of %d, planned again", what, part)
	at := dmap.Cursor{}
	for i, s := range planned {
		require.Equal(tb, at, s.From, "%s in parts of %d", what, part)
		require.Equal(tb, i == len(planned)-1, s.To == dmap.Cursor{}, "%s in parts of %d", what, part)
		at = s.To
	}
	return len(planned)
}

// divisible opens data as CSV, with the options that make a reader stumble.
func divisible(tb testing.TB, data []byte, o source.CSVOptions) func() dmap.Source[[]string] {
	tb.Helper()
	bucket := memory(tb, map[string]string{"k": string(data)})
	return func() dmap.Source[[]string] { return source.CSV(bucket, "k", source.Strings, o) }
}

var partSizes = []int64{1, 2, 3, 5, 8, 13, 21, 34, 60, 100, 1000}

// randomCSV mostly writes what CSV writers do, and sometimes anything.
func randomCSV(r *rand.Rand, delimiter byte) []byte {
	var b bytes.Buffer
	if r.IntN(4) == 0 {
		b.WriteString("\xef\xbb\xbf")
	}
	wild := r.IntN(3) == 0
	for range r.IntN(20) {
		for i := range 1 + r.IntN(3) {
			if i > 0 {
				b.WriteByte(delimiter)
			}
			b.WriteString([]string{"", "ab", "c d", `""`, `"x,;y"`, "\"two\nlines\"", `"a ""b"""`, "\"\r\n\"", strings.Repeat("long", 12)}[r.IntN(9)])
			if wild && r.IntN(8) == 0 {
				b.WriteString([]string{`"`, "\r", `x"`, "\xff", `"y`, "\x00"}[r.IntN(6)])
			}
		}
		b.WriteString([]string{"\n", "\n", "\r\n", "\n\n", "\r\n\r\n"}[r.IntN(5)])
	}
	if r.IntN(2) == 0 {
		b.WriteString(`last,"row"`)
	}
	return b.Bytes()
}

// documents is the number of random ones.
var documents = testsize.Sizes{Short: 20, Race: 15, Usual: 60, Long: 600}

func TestRowsOfADividedObjectAreThoseOfTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	most := 0
	for i := range documents.Now() {
		o := source.CSVOptions{Delimiter: ",;"[i%2], MaxRecord: 30, MaxFields: 3, Ragged: source.RaggedFill, RepeatedColumns: true}
		if i%3 == 0 {
			o.Header = []string{"one", "two"}
		}
		data := randomCSV(r, o.Delimiter)
		open := divisible(t, data, o)
		for _, part := range partSizes {
			most = max(most, checkDivided(t, fmt.Sprintf("%q", data), open, part))
		}
	}
	require.Greater(t, most, 20)
}

func TestRowsAtTheEdgesOfParts(t *testing.T) {
	for i, data := range []string{
		"a,b\r\n1,2\r\n\"3\r\n\",4\r\n",
		"a,b\n\n\n\n\n1,2\n\n\n\n\n3,4",
		"\n\n\na,b\n1,2\n",
		strings.Repeat("\n", 40) + "a,b\n1,2\n3,4\n",
		"\xef\xbb\xbf\"a\",b\n1,2\n",
		"a,b\n\"\"\"\"\"\"\"\",\"\"\"\n\"\"\"\n1,2\n",
		"a,b\n1,\"" + strings.Repeat("a line\n", 30) + "\"\n3,4\n5,6\n",
		"a,b\n1,2\n3,\"never closed\n4,5\n6,7\n8,9\n",
		"a,b\n1,2\n3,x\"y\n\"4,\",5\n6,7\n8,9\n\"10\n\",\"11\"\n",
		"a,b\n1,2\r3,\"4\"\n5,\"\n\"\n6,7\n8,9\n",
		"a,b\n1,2\n\"3\"x,\"4\n5,6\n\"\n7,8\n9,10\n",
		"a,b\n1,2\n3,4\n5,6\r",
		"a,b\n",
		"a,b",
		strings.Repeat("wide,", 20) + "\n" + strings.Repeat("1,", 20) + "\n" + strings.Repeat("2,", 20) + "\n3,4\n",
	} {
		step := int64(testsize.Sizes{Race: 4, Usual: 1}.Now())
		for part := 1 + int64(i)%step; part <= int64(len(data)+1); part += step {
			checkDivided(t, fmt.Sprintf("%q", data), divisible(t, []byte(data), source.CSVOptions{RepeatedColumns: true}), part)
		}
	}
}

func TestLinesOfADividedObjectAreThoseOfTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	most := 0
	for range documents.Now() {
		var b bytes.Buffer
		b.WriteString([]string{"", "", "\xef\xbb\xbf"}[r.IntN(3)])
		for range r.IntN(25) {
			b.WriteString([]string{"1", "22", "[]", `"text"`, "", " \t", "{", "\xff", strings.Repeat("9", 25), "\r"}[r.IntN(10)])
			b.WriteString([]string{"\n", "\n", "\r\n", "\n\n"}[r.IntN(4)])
		}
		b.WriteString([]string{"", "7", "\r"}[r.IntN(3)])
		bucket := memory(t, map[string]string{"k": b.String()})
		open := func() dmap.Source[any] {
			return source.JSONLines(bucket, "k", source.JSONLinesOptions[any]{MaxRecord: 20})
		}
		for _, part := range partSizes {
			most = max(most, checkDivided(t, fmt.Sprintf("%q", b.String()), open, part))
		}
	}
	require.Greater(t, most, 20)
}

func TestHeaderThatIsLongerThanMostIsReadWhole(t *testing.T) {
	data := "a" + strings.Repeat(",a column", 3000) + "\n" + strings.Repeat("1"+strings.Repeat(",", 3000)+"\n", 20)
	open := divisible(t, []byte(data), source.CSVOptions{RepeatedColumns: true})
	require.Greater(t, checkDivided(t, "a long header", open, 5000), 10)
}

func TestSplitThatEndsWithinALineHasTheWholeLine(t *testing.T) {
	data := "1\n22\n\n333\n4444\n55555"
	bucket := memory(t, map[string]string{"k": data})
	src := source.Divide(source.JSONLines[int](bucket, "k"), 6)
	version := splitsOf(t, src)[0].Version
	for to := range int64(len(data)) {
		want := []int{}
		for item, err := range plan(src).Read(t.Context(), dmap.Split{}) {
			require.NoError(t, err)
			if item.Offset < to+1 {
				want = append(want, item.Value)
			}
		}
		got := []int{}
		for item, err := range plan(src).Read(t.Context(), dmap.Split{Version: version, To: dmap.Cursor{Offset: to + 1}}) {
			require.NoError(t, err)
			got = append(got, item.Value)
		}
		require.Equal(t, want, got, "up to %d", to+1)
	}
}

func TestQuoteThatStandsWhereNoneMayEndsThePlanning(t *testing.T) {
	data := "id,text\n1,2\n3,it\"s\n" + numbered(5000)
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": data}))
	bucket.Record(dmaptest.OpRead)
	src := source.Divide(source.CSV(bucket.Bucket, "k", source.Strings), 2000)
	require.Len(t, splitsOf(t, src), 1)
	var sum int64
	for _, call := range bucket.Log() {
		sum += call.Bytes
	}
	require.Less(t, sum, int64(17_000+8*2000+2000))
	require.Equal(t, told(source.CSV(bucket.Bucket, "k", source.Strings).Items(t.Context())), told(src.Items(t.Context())))
}

func TestObjectsThatCannotBeDividedAreOneSplit(t *testing.T) {
	rest := strings.Repeat("1,2\n", 30)
	for name, head := range map[string]string{"rows.csv": "\x1f\x8b", "rows": "PK\x03\x04", "text": "\xff\xfe", "rows.csv.gz": "a,b\n", "ROWS.ZST": "a,b\n"} {
		bucket := memory(t, map[string]string{name: head + rest})
		require.Len(t, splitsOf(t, source.Divide(source.CSV(bucket, name, source.Strings), 8)), 1, name)
		require.Len(t, splitsOf(t, source.Divide(source.JSONLines[any](bucket, name), 8)), 1, name)
	}
}

func TestSmallObjectsAreOneSplitAndCostNoMoreThanBefore(t *testing.T) {
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "a\n1\n2\n"}))
	require.Len(t, read(t, source.CSV(bucket.Bucket, "k", source.Strings)), 2)
	require.Equal(t, 1, bucket.Calls(dmaptest.OpAttributes))
	require.Equal(t, 1, bucket.Calls(dmaptest.OpOpen))
}

func TestDividedSourcesConform(t *testing.T) {
	bucket := folder(t, map[string]string{"rows.csv": manyRows(), "lines.jsonl": manyLines()})
	for _, part := range []int64{30, 100} {
		t.Run(fmt.Sprintf("csv in parts of %d", part), func(t *testing.T) {
			dmaptest.TestSource(t, func(testing.TB) dmap.Source[[]string] {
				return source.Divide(source.CSV(bucket, "rows.csv", source.Strings), part)
			})
		})
		t.Run(fmt.Sprintf("json lines in parts of %d", part), func(t *testing.T) {
			dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
				return source.Divide(source.JSONLines[number](bucket, "lines.jsonl"), part)
			})
		})
	}
}

func TestCursorsOfADividedObjectLeadToItsRest(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": manyRows()})
	src := source.Divide(source.CSV(bucket, "rows.csv", source.Strings), 50)
	splits := splitsOf(t, src)
	require.Greater(t, len(splits), 5)
	for _, s := range splits {
		all := told(plan(src).Read(t.Context(), s))
		i := 0
		for item, err := range plan(src).Read(t.Context(), s) {
			require.NoError(t, err)
			i++
			left := s
			left.From = item.Next
			require.Equal(t, slices.Clone(all[i:]), append([]string{}, told(plan(src).Read(t.Context(), left))...))
		}
	}
}

func FuzzDividedRows(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2\r\n\"\"\"\n\"3\"x,4\n5,6\n"), uint8(3), false)
	f.Add([]byte("\xef\xbb\xbf\n\n\"a\",b\n\n1,\"2\n"), uint8(1), true)
	f.Fuzz(func(t *testing.T, data []byte, part uint8, named bool) {
		o := source.CSVOptions{MaxRecord: 50, MaxFields: 6, RepeatedColumns: true}
		if named {
			o.Header = []string{"x"}
		}
		checkDivided(t, fmt.Sprintf("%q", data), divisible(t, data, o), int64(part)+1)
	})
}

func FuzzDividedLines(f *testing.F) {
	f.Add([]byte("1\n\n{\r\n 2 \n"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, part uint8) {
		bucket := memblob.OpenBucket(nil)
		defer bucket.Close()
		require.NoError(t, bucket.WriteAll(t.Context(), "k", data, nil))
		open := func() dmap.Source[any] {
			return source.JSONLines(bucket, "k", source.JSONLinesOptions[any]{MaxRecord: 20})
		}
		checkDivided(t, fmt.Sprintf("%q", data), open, int64(part)+1)
	})
}
