package source_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func csvOf(tb testing.TB, data string, options ...source.CSVOptions) dmap.Source[[]string] {
	return source.CSV(memory(tb, map[string]string{"k": data}), "k", source.Strings, options...)
}

func TestBadRowsFailAloneAndSayWhere(t *testing.T) {
	require.Equal(t, `k@4 [1 2]
k@8 ! object "k" line 3 (byte 8): 1 fields, the header has 2
k@10 ! object "k" line 4 (byte 10): 3 fields, the header has 2
k@16 ! object "k" line 5 (byte 16), column "2": text after the closing quote of a field
k@23 ! object "k" line 6 (byte 23), column "2": invalid UTF-8
k@27 [5 6]
`, lines(read(t, csvOf(t, "a,b\n1,2\n3\n4,5,6\n7,\"8\"9\n7,\xff\n5,6"))))
}

func TestRaggedRowsAreFilledAsInStepFunctions(t *testing.T) {
	items := read(t, csvOf(t, "a,b\n1\n1,2,3\n,\n\"\"\"\"\n", source.CSVOptions{Ragged: source.RaggedFill}))
	require.Equal(t, [][]string{{"1", ""}, {"1", "2"}, {"", ""}, {`"`, ""}}, values(items))
}

func TestHeaderThatMakesNoSenseEndsTheSource(t *testing.T) {
	for data, want := range map[string]string{
		"a,b,a\n":             `names column 3 "a", as column 1`,
		"a,\xff\n1,2\n":       `header: object "k" line 1 (byte 0), column "2": invalid UTF-8`,
		"a,\"b\n1,2\n":        `header: object "k" line 1 (byte 2), column "2": a quote is opened here and never closed`,
		"a,b\r1,2\r":          "a carriage return without a line feed",
		"\x1f\x8b\x08\x00":    `object "k" line 1 (byte 0): is compressed with gzip`,
		"\xff\xfea\x00\n\x00": "UTF-16",
	} {
		_, err := try(t.Context(), csvOf(t, data))
		require.ErrorContains(t, err, want, "%q", data)
	}
	_, err := try(t.Context(), csvOf(t, strings.Repeat("x", 2<<20)+"\n"))
	var limit *source.LimitError
	require.ErrorAs(t, err, &limit)
	require.EqualValues(t, source.DefaultMaxHeader, limit.Max)
}

func TestHeadersThatAreAllowed(t *testing.T) {
	require.Empty(t, read(t, csvOf(t, "")), "an empty object")
	require.Empty(t, read(t, csvOf(t, "\n\r\n")), "empty lines")
	require.Empty(t, read(t, csvOf(t, "a,b\n")), "a header alone")
	require.Equal(t, [][]string{{"1", "2"}}, values(read(t, csvOf(t, "\xef\xbb\xbfa,\n1,2"))), "an empty name, a byte order mark")
	repeated := source.CSVOptions{RepeatedColumns: true}
	require.Equal(t, [][]string{{"1", "2"}}, values(read(t, csvOf(t, "a,a\n1,2", repeated))))
	maps := source.CSV(memory(t, map[string]string{"k": "a,a\n1,2"}), "k", source.Maps, repeated)
	require.Equal(t, []map[string]string{{"a": "1"}}, values(read(t, maps)), "the first counts")
	require.Empty(t, read(t, csvOf(t, "", source.CSVOptions{Header: []string{"a"}})))
	require.Equal(t, [][]string{{"a|b", "c"}}, values(read(t, csvOf(t, "\"a|b\"|c", source.CSVOptions{Delimiter: '|', Header: []string{"x", "y"}}))))
}

func TestOpenQuoteEndsTheSourceBehindTheRowsBeforeIt(t *testing.T) {
	items, err := try(t.Context(), csvOf(t, "a\n1\n\"2\n3\n4\n"))
	require.Equal(t, [][]string{{"1"}}, values(items))
	require.ErrorIs(t, err, source.ErrOpenQuote)
	require.ErrorContains(t, err, `object "k" line 3 (byte 4)`)
}

func TestRowsBeyondTheLimitsFailAlone(t *testing.T) {
	items := read(t, csvOf(t, "a\n"+strings.Repeat("x", 101)+"\n"+strings.Repeat(",", 9)+"\n1\n", source.CSVOptions{MaxRecord: 100, MaxFields: 9}))
	require.Len(t, items, 3)
	for i, want := range []source.LimitError{
		{Object: "k", Offset: 2, Line: 2, Limit: "record bytes", Max: 100}, {Object: "k", Offset: 104, Line: 3, Limit: "fields", Max: 9},
	} {
		var limit *source.LimitError
		require.ErrorAs(t, items[i].Err, &limit)
		got := source.LimitError{Object: limit.Object, Offset: limit.Offset, Line: limit.Line, Limit: limit.Limit, Max: limit.Max}
		require.Equal(t, want, got)
		raw, truncated := limit.RawInput()
		require.Equal(t, []string{strings.Repeat("x", 101), strings.Repeat(",", 9)}[i], string(raw))
		require.False(t, truncated)
	}
	require.NoError(t, items[2].Err)
}

func TestDecoderThatFailsOrPanicsCostsTheRow(t *testing.T) {
	decode := func([]string) (func(source.Row) (int, error), error) {
		return func(row source.Row) (int, error) {
			switch row.String(0) {
			case "panic":
				panic("boom")
			case "skip":
				return 0, dmap.ErrSkip
			}
			return len(row.Bytes(0)), nil
		}, nil
	}
	items := read(t, source.CSV(memory(t, map[string]string{"k": "a\npanic\nskip\nok\n"}), "k", decode))
	var panicked *dmap.PanicError
	var row *source.RowError
	require.ErrorAs(t, items[0].Err, &panicked)
	require.ErrorAs(t, items[0].Err, &row)
	require.EqualValues(t, 2, row.Line)
	require.ErrorIs(t, items[1].Err, dmap.ErrSkip)
	require.Equal(t, []int{2}, values(items))
}

// Part is embedded.
type Part struct {
	City string `csv:"city"`
}

type everything struct {
	Part
	Name   string        `csv:"name"`
	Count  int8          `csv:"count"`
	Size   uint16        `csv:"size"`
	Ratio  float64       `csv:"ratio"`
	OK     bool          `csv:"ok"`
	At     time.Time     `csv:"at"`
	Took   time.Duration `csv:"took"`
	Big    big.Int       `csv:"big"`
	Raw    []byte        `csv:"raw"`
	Maybe  *int          `csv:"maybe"`
	Later  *time.Time    `csv:"later"`
	Lack   *string       `csv:"lack"`
	Empty  int           `csv:"empty,omitempty"`
	Never  func()        `csv:"-"`
	hidden string
}

func TestIntoFillsFieldsByColumn(t *testing.T) {
	const header = "unknown,city,name,count,size,ratio,ok,at,took,big,raw,maybe,later,empty\n"
	row := "x,Oslo,n,-8,65535,1.5,true,2026-11-23T08:00:00Z,1m30s,123456789012345678901,raw,7,,\n"
	src := source.CSV(memory(t, map[string]string{"k": header + row}), "k", source.Into[everything])
	seven := 7
	number, _ := new(big.Int).SetString("123456789012345678901", 10)
	require.Equal(t, []everything{{
		Part: Part{"Oslo"}, Name: "n", Count: -8, Size: 65535, Ratio: 1.5, OK: true, At: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		Took: 90 * time.Second, Big: *number, Raw: []byte("raw"), Maybe: &seven,
	}}, values(read(t, src)))
	require.Empty(t, values(read(t, src))[0].hidden)
}

func TestIntoNamesTheColumnThatDoesNotFit(t *testing.T) {
	type typed struct {
		N int8    `csv:"n"`
		F float32 `csv:"f"`
	}
	for row, want := range map[string]string{
		"1000,1": `column "n": "1000": value out of range`, ",1": `column "n": "": invalid syntax`, " 1,1": `column "n"`,
		"1,1e99": `column "f": "1e99": value out of range`, "1.5,1": `column "n"`,
		strings.Repeat("9", 1000) + ",1": "99...",
	} {
		items := read(t, source.CSV(memory(t, map[string]string{"k": "n,f\n" + row}), "k", source.Into[typed]))
		var bad *source.RowError
		require.ErrorAs(t, items[0].Err, &bad)
		require.ErrorContains(t, bad, want)
		require.Less(t, len(bad.Error()), 200)
	}
}

func TestIntoSaysAtOnceWhatItCannotFill(t *testing.T) {
	type good struct{ ID, Price string }
	_, err := source.Into[good]([]string{"id", "price", "note"})
	require.EqualError(t, err, `no column "ID", "Price" for source_test.good; there are "id", "price", "note"`)
	_, err = source.Into[int]([]string{"a"})
	require.ErrorContains(t, err, "not into int")
	type bad struct {
		A chan int
		B map[string]int `csv:"b,required"`
	}
	_, err = source.Into[bad]([]string{"a"})
	require.ErrorContains(t, err, "bad.A: a column cannot be decoded into chan int")
	require.ErrorContains(t, err, `bad.B: csv tag option "required" is unknown`)
	_, err = source.Into[struct{ a int }]([]string{"a"})
	require.ErrorContains(t, err, "no exported fields")
	_, err = try(t.Context(), source.CSV(memory(t, map[string]string{"k": "a\n1\n"}), "k", source.Into[good]))
	require.ErrorContains(t, err, `object "k": no column "ID"`)
}

func TestObjectThatChangesBetweenSplitAndReadIsRefused(t *testing.T) {
	bucket := memory(t, map[string]string{"k": "a\n1\n"})
	src := source.CSV(bucket, "k", source.Strings)
	for split, err := range plan(src).Splits(t.Context()) {
		require.NoError(t, err)
		require.NotEmpty(t, split.Version)
		require.NoError(t, bucket.WriteAll(t.Context(), "k", []byte("a\n2\n3\n"), nil))
		for _, err := range plan(src).Read(t.Context(), split) {
			require.ErrorIs(t, err, source.ErrChanged)
			require.ErrorContains(t, err, `"k"`)
		}
	}
}

func TestPartsOfAnObjectTakeTheRowsThatStartInThem(t *testing.T) {
	data := "a\n1\n22\n333\n4444\n"
	src := csvOf(t, data)
	var got []string
	for _, part := range [][2]int64{{0, 7}, {7, 11}, {11, 0}, {int64(len(data)), 0}} {
		for item, err := range plan(src).Read(t.Context(), dmap.Split{From: dmap.Cursor{Offset: part[0]}, To: dmap.Cursor{Offset: part[1]}}) {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(part[0], item.Value))
		}
	}
	require.Equal(t, []string{"0 [1]", "0 [22]", "7 [333]", "11 [4444]"}, got)
}

func TestRecordsSurviveABrokenBody(t *testing.T) {
	var data strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&data, "%d,\"row %d\"\n", i, i)
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "a,b\n" + data.String()}))
	for n := range 3 {
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpRead, Nth: 2 + n, Kind: dmaptest.Reset, After: 100})
	}
	require.Len(t, values(read(t, source.CSV(bucket.Bucket, "k", source.Strings))), 50_000)
	require.Equal(t, 4, bucket.Calls(dmaptest.OpOpen))
}

func TestStoreThatDoesNotAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, op := range []dmaptest.Op{dmaptest.OpAttributes, dmaptest.OpOpen, dmaptest.OpRead} {
			bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"k": "a\n1\n"}))
			bucket.Inject(dmaptest.Fault{Op: op, Kind: dmaptest.Stall, Sticky: true})
			started := time.Now()
			_, err := try(t.Context(), source.CSV(bucket.Bucket, "k", source.Strings, source.CSVOptions{StallTimeout: time.Second}))
			require.ErrorIs(t, err, source.ErrStalled)
			require.ErrorContains(t, err, `object "k"`)
			require.Equal(t, time.Second, time.Since(started))
		}
	})
}

func TestMissingObjectIsNamed(t *testing.T) {
	bucket := memory(t, nil)
	_, err := try(t.Context(), source.CSV(bucket, "no.csv", source.Strings))
	require.ErrorContains(t, err, `object "no.csv"`)
	_, err = try(t.Context(), source.JSONLines[int](bucket, "no.jsonl"))
	require.ErrorContains(t, err, `object "no.jsonl"`)
}
