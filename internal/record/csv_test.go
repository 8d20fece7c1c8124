package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

var usual = CSVOptions{Delimiter: ',', MaxRecord: 1 << 20, MaxFields: 1000}

// row is the result of reading one row: its fields or its fault.
type row struct {
	offset, end int64
	line        int64 // 0: not compared
	fields      []string
	fault       Fault
}

func (r row) bad() bool { return r.fault != Fault{} }

// rowsFrom reads data from an offset, through a buffer of size bytes at first. err is the error
// that stopped it, nil at the end.
func rowsFrom(data []byte, offset int64, size int, o CSVOptions) (rows []row, err error) {
	return rowsBy((*CSV).Next, data, offset, size, o)
}

// nextWithoutIndex is Next without indexAhead: the slow reference, with neither blocks nor index.
func nextWithoutIndex(c *CSV) error {
	if err := c.checkStart(); err != nil {
		return err
	}
	c.text = ""
	return c.nextParsed()
}

func rowsBy(next func(*CSV) error, data []byte, offset int64, size int, o CSVOptions) (rows []row, err error) {
	c := NewCSV(bytes.NewReader(data[offset:]), offset, -1, o)
	c.buf = c.buf[:size]
	for {
		err := next(c)
		if err == io.EOF {
			return rows, nil
		}
		r := row{offset: c.Offset(), end: c.End(), line: c.Line()}
		var fault *Fault
		switch {
		case errors.As(err, &fault) && !fault.Fatal:
			r.fault = *fault
			r.fault.Line = 0
		case fault != nil:
			fault.Line = 0 // 0 in readings from the middle
			return rows, err
		case err != nil:
			return rows, err
		}
		for i := 0; err == nil && i < c.Len(); i++ {
			r.fields = append(r.fields, string(c.Bytes(i)))
			if c.Text(i) != r.fields[i] {
				return nil, fmt.Errorf("Text %q, Bytes %q", c.Text(i), r.fields[i])
			}
		}
		rows = append(rows, r)
	}
}

func fieldsOf(rows []row) [][]string {
	var all [][]string
	for _, r := range rows {
		if r.bad() {
			all = append(all, nil)
		} else {
			all = append(all, r.fields)
		}
	}
	return all
}

// reference reads data with the standard library. A bad row is nil. open tells that a quote is
// never closed.
func reference(data []byte) (rows [][]string, open bool) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	for {
		fields, err := r.Read()
		switch {
		case err == io.EOF:
			return rows, false
		case errors.Is(err, csv.ErrQuote) && r.InputOffset() == int64(len(data)) && unclosed(data):
			return rows, true
		case err != nil:
			rows = append(rows, nil)
		default:
			rows = append(rows, fields)
		}
	}
}

// unclosed scans data byte by byte and reports whether it ends inside quotes.
func unclosed(data []byte) bool {
	const start, plain, quoted, afterQuote, broken = 0, 1, 2, 3, 4
	at := start
	for _, b := range data {
		switch {
		case at == quoted:
			if b == '"' {
				at = afterQuote
			}
		case b == '\n':
			at = start
		case at == broken:
		case b == ',':
			at = start
		case b == '"' && (at == start || at == afterQuote):
			at = quoted
		case b == '"' || at == afterQuote:
			at = broken
		default:
			at = plain
		}
	}
	return at == quoted
}

func randomCSV(random *rand.Rand, alphabet []string) []byte {
	var b strings.Builder
	for range random.IntN(60) {
		b.WriteString(alphabet[random.IntN(len(alphabet))])
	}
	return []byte(b.String())
}

func compare(tb testing.TB, data []byte, size int) {
	tb.Helper()
	want, open := reference(data)
	got, err := rowsFrom(data, 0, size, usual)
	if open {
		require.ErrorIs(tb, err, ErrQuote, "%q", data)
	} else {
		require.NoError(tb, err, "%q", data)
	}
	require.Equal(tb, want, fieldsOf(got), "%q buffer %d", data, size)
}

func TestRowsEqualTheStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range (testsize.Sizes{Short: 2000, Race: 1000, Usual: 8000, Long: 80_000}).Now() {
		compare(t, randomCSV(random, []string{"a", "é", ",", ",", `"`, `"`, `""`, "\n", "\n"}), 4+random.IntN(40))
	}
}

func TestOpenQuoteFaultHasItsLine(t *testing.T) {
	for _, limit := range []int{1 << 20, 50} {
		c := NewCSV(strings.NewReader("a\n\"b\nb\",\"open\n"+strings.Repeat("x\n", 100)), 0, -1, CSVOptions{Delimiter: ',', MaxRecord: limit, MaxFields: 9})
		require.NoError(t, c.Next())
		var fault *Fault
		require.ErrorAs(t, c.Next(), &fault)
		require.EqualValues(t, 3, fault.Line)
	}
}

// normal drops the carriage return of each CRLF, as the standard library does.
func normal(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) }

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"a\nb\",\"c\"\"d\"\r\n\r\nx", "a\"b,c\n\"d\"e\n", "\"open", "\xef\xbb\xbfa", ",,\n\n", "a\rb\n"} {
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		o := usual
		o.AnyBytes = true
		rows, err := rowsFrom(data, 0, 4+int(size), o)
		for i := range rows {
			rows[i].line = 0 // 0 in readings from the middle
		}
		for i, r := range rows[:min(len(rows), 20)] {
			rest, restErr := rowsFrom(data, r.end, 4+int(size)/2, o)
			require.Equal(t, rows[i+1:], append([]row{}, rest...), "the rest of %q from %d", data, r.end)
			require.Equal(t, err, restErr)
		}
		if strings.Contains(strings.ReplaceAll(string(data), "\r\n", ""), "\r") || Format(data) != "" ||
			bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
			return // the standard library reads these differently
		}
		want, open := reference(normal(data))
		require.Equal(t, open, errors.Is(err, ErrQuote), "%q", data)
		got := fieldsOf(rows)
		for _, fields := range got {
			for i := range fields {
				fields[i] = string(normal([]byte(fields[i])))
			}
		}
		require.Equal(t, want, got, "%q", data)
	})
}

// requireSameWithoutIndex compares the rows that Next finds with those of nextWithoutIndex.
func requireSameWithoutIndex(tb testing.TB, data []byte, o CSVOptions) {
	tb.Helper()
	for _, size := range []int{8, 200, 1 << 14} {
		want, wantErr := rowsBy(nextWithoutIndex, data, 0, size, o)
		got, err := rowsFrom(data, 0, size, o)
		require.Equal(tb, want, got, "%q buffer %d", data, size)
		require.Equal(tb, wantErr, err, "%q buffer %d", data, size)
	}
}

func FuzzCSVIndexEqualsParser(f *testing.F) {
	for _, seed := range []string{
		"a,b\r\n1,\"2\"\"\n\"\r\n\r\n3,4\rx\n", "\"a\",\"b\"\n\"c\",\"\"\r\n\"d\",1\n", "\"a\"x,\"b\"\n\"c\"\n", "é,\xff\nx,\x00\n", ",,,,,,,,,,,\n",
	} {
		f.Add([]byte(seed), uint8(1), false)
		f.Add([]byte(seed), uint8(40), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, times uint8, anyBytes bool) {
		data = bytes.Repeat(data, 1+int(times)) // so that it spans several blocks
		if len(data) < 1<<16 {
			requireSameWithoutIndex(t, data, CSVOptions{Delimiter: ',', MaxRecord: 1 << 12, MaxFields: 50, AnyBytes: anyBytes})
		}
	})
}

func TestIndexFindsTheRowsOfTheParser(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, alphabet := range [][]string{
		{"a", "bcdefgh", ",", ",", "\n", "é"}, {"a", ",", "\n", "\r\n", "\r", "x"}, {`"`, `"`, `"`, "a", ",", "\n"},
		{`"a",`, `"b""c",`, `"",`, "\"d\"\n", "\"long enough to span two blocks, and with a comma\"\n"},
		{`"a",`, `"",`, "\"d\"\r\n", `1,`, "2\n", "\n"}, {`"a",`, "\"d\"\n", `"x"y,`, "\xff", "\x00"}, {`"a",`, "\"d\"\n", "\"d\"\n", "\"d\"\n", "1\n"},
	} {
		for range (testsize.Sizes{Short: 40, Race: 20, Usual: 150, Long: 1500}).Now() {
			var b []byte
			for range 1 + random.IntN(200) {
				b = append(b, alphabet[random.IntN(len(alphabet))]...)
			}
			requireSameWithoutIndex(t, b, CSVOptions{Delimiter: ',', MaxRecord: 1 + random.IntN(300), MaxFields: 1 + random.IntN(60)})
		}
	}
}

func TestLineIsRightAfterFieldsAreUnescaped(t *testing.T) {
	c := NewCSV(strings.NewReader("\"a\"\"\n\"\nb\n"), 0, -1, usual)
	require.NoError(t, c.Next())
	require.EqualValues(t, 1, c.Line())
	require.NoError(t, c.Next())
	require.EqualValues(t, 3, c.Line())
}

func TestSyntaxErrorIsReportedAndCostsOnlyItsLine(t *testing.T) {
	for _, test := range []struct {
		name, data string
		field      int
		err        error
	}{
		{"a quote inside a field", "a,b\"c,\"x\ny,z\n", 2, errBareQuote},
		{"text after a quote", "a,\"b\"c,\"x\ny,z\n", 2, errAfterQuote},
		{"text after a quote on a later line", "a,\"b\n\nb\"c,\"x\ny,z\n", 2, errAfterQuote},
		{"a lone carriage return", "a,b\rc,d\ny,z\n", 0, errBareCR},
		{"a lone carriage return in a row with quotes", "\"a\",b\rc,d\ny,z\n", 2, errBareCR},
		{"invalid UTF-8", "a,b,\xff\ny,z\n", 3, errUTF8},
		{"half a character in each of two fields", "\xc3,\xa9\ny,z\n", 1, errUTF8},
		{"a NUL byte", "a,\x00\ny,z\n", 2, errNUL},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := rowsFrom([]byte("\n"+test.data), 0, 4, usual)
			require.NoError(t, err)
			require.Len(t, rows, 2)
			require.ErrorIs(t, rows[0].fault.Err, test.err)
			require.Equal(t, test.field, rows[0].fault.Field)
			require.EqualValues(t, 1, rows[0].fault.Offset)
			require.Equal(t, []string{"y", "z"}, rows[1].fields)
		})
	}
}

func TestAnyBytesAcceptsNULAndInvalidUTF8(t *testing.T) {
	o := usual
	o.AnyBytes = true
	rows, err := rowsFrom([]byte("\xff,\x00\n"), 0, 16, o)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"\xff", "\x00"}}, fieldsOf(rows))
}

func TestLineEndsInsideQuotesAreKept(t *testing.T) {
	rows, err := rowsFrom([]byte("\"a\r\nb\nc\rd\"\r\ne\r"), 0, 4, usual)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"a\r\nb\nc\rd"}, {"e"}}, fieldsOf(rows))
}

func TestLineIsZeroWhenReadingStartsInTheMiddle(t *testing.T) {
	data := []byte("\xef\xbb\xbfa\n\n\"b\nb\"\r\nc\"\nd\n")
	c := NewCSV(bytes.NewReader(data), 0, -1, usual)
	var at []int64
	for {
		err := c.Next()
		if err == io.EOF {
			break
		}
		at = append(at, c.Line())
	}
	require.Equal(t, []int64{1, 3, 5, 6}, at)
	c = NewCSV(bytes.NewReader(data[5:]), 5, -1, usual)
	require.NoError(t, c.Next())
	require.Zero(t, c.Line())
	require.EqualValues(t, 6, c.Offset())
}

func TestUnclosedQuoteIsFatalAtItsOffset(t *testing.T) {
	for name, limit := range map[string]int{"in a short object": 1 << 20, "beyond the record limit": 50} {
		t.Run(name, func(t *testing.T) {
			o := usual
			o.MaxRecord = limit
			data := []byte("a,b\nc,\"d\nd\",\"open\n" + strings.Repeat("x,\"\"\n", 100))
			rows, err := rowsFrom(data, 0, 4, o)
			var fault *Fault
			require.ErrorAs(t, err, &fault)
			require.True(t, fault.Fatal)
			require.ErrorIs(t, err, ErrQuote)
			require.EqualValues(t, 12, fault.Offset)
			require.Len(t, rows, 1)
		})
	}
}

func TestRowBeyondALimitFailsAlone(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, test := range []struct{ name, row, limit string }{
		{"plain", long + "," + long, "record bytes"},
		{"quoted", `"` + long + `","` + long + `"`, "record bytes"},
		{"quoted over lines", `"` + strings.Repeat("x\n\"\"", 50) + `"`, "record bytes"},
		{"a misplaced quote far from the start", long + long + `","` + long, "record bytes"},
		{"text after a quote, far from the start", `"` + long + long + `"x,"` + long, "record bytes"},
		{"fields", strings.Repeat(",", 30), "fields"},
		{"quoted fields", strings.Repeat(`"",`, 30), "fields"},
		{"one byte too many", strings.Repeat("x", 151), "record bytes"},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			t.Run(test.name+fmt.Sprintf(" %q", end), func(t *testing.T) {
				o := CSVOptions{Delimiter: ',', MaxRecord: 150, MaxFields: 20}
				rows, err := rowsFrom([]byte("a\n"+test.row+end+"b\n"), 0, 4, o)
				require.NoError(t, err)
				require.Len(t, rows, 3)
				require.Equal(t, test.limit, rows[1].fault.Limit)
				require.EqualValues(t, 2, rows[1].fault.Offset)
				require.Equal(t, []string{"b"}, rows[2].fields)
			})
		}
	}
	rows, err := rowsFrom([]byte(strings.Repeat("x", 150)+"\r\nb"), 0, 4, CSVOptions{Delimiter: ',', MaxRecord: 150, MaxFields: 20})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.False(t, rows[0].bad())
}

func TestStreamErrorIsFinal(t *testing.T) {
	broken := errors.New("broken")
	for _, data := range []string{"", "a\n", "a\n\"b", "a\n" + strings.Repeat("x", 100)} {
		c := NewCSV(io.MultiReader(strings.NewReader(data), failing{broken}), 0, -1, CSVOptions{Delimiter: ',', MaxRecord: 50, MaxFields: 9})
		c.buf = c.buf[:4]
		var err error
		for err = c.Next(); err == nil; err = c.Next() {
		}
		require.ErrorIs(t, err, broken, "%q", data)
		require.ErrorIs(t, c.Next(), broken, "%q", data)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestUnsupportedFormatsAreNamed(t *testing.T) {
	for data, want := range map[string]string{
		"\x1f\x8b\x08": "gzip", "\x28\xb5\x2f\xfd": "zstd", "PAR1": "Parquet", "PK\x03\x04": "zip", "\xff\xfea\x00": "UTF-16", "\xfe\xff\x00a": "UTF-16",
	} {
		_, err := rowsFrom([]byte(data), 0, 16, usual)
		var fault *Fault
		require.ErrorAs(t, err, &fault)
		require.True(t, fault.Fatal)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, NewLines(strings.NewReader(data), 0, -1, 100).Next(), want)
	}
}

func TestRowsAllocateNothing(t *testing.T) {
	for name, line := range map[string]string{"plain": "1,some text,2.5,,x\n", "quoted": "\"1\",\"some \"\"text\"\"\",\"\r\n\"\n"} {
		c := NewCSV(&repeated{line: line}, 0, -1, usual)
		allocs := testing.AllocsPerRun(50_000, func() {
			if err := c.Next(); err != nil {
				t.Fatal(err)
			}
		})
		require.Zero(t, allocs, name)
	}
}

// repeated is a stream of the same line, up to limit bytes; 0: without end.
type repeated struct {
	line  string
	at    int
	limit int64
	given int64
}

func (r *repeated) Read(p []byte) (n int, err error) {
	if len(r.line) < 64 {
		r.line = strings.Repeat(r.line, 4096)
	}
	for n < len(p) {
		if r.limit > 0 && r.given >= r.limit {
			return n, io.EOF
		}
		m := copy(p[n:], r.line[r.at:])
		r.at = (r.at + m) % len(r.line)
		r.given += int64(m)
		n += m
	}
	return n, nil
}
