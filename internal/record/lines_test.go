package record

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

// linesFrom reads data from an offset, through a buffer of size bytes at first.
func linesFrom(data []byte, offset int64, size, most int) (rows []row, err error) {
	l := NewLines(bytes.NewReader(data[offset:]), offset, -1, most)
	l.buf = l.buf[:size]
	for {
		err := l.Next()
		if err == io.EOF {
			return rows, nil
		}
		r := row{offset: l.Offset(), end: l.End()}
		var fault *Fault
		switch {
		case errors.As(err, &fault) && !fault.Fatal:
			r.fault = *fault
			r.fault.Line = 0
		case err != nil:
			return rows, err
		default:
			r.fields = []string{string(l.Bytes())}
		}
		rows = append(rows, r)
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"a\nb\r\n\n \t\nc", "\xef\xbb\xbfa\n", strings.Repeat("x", 40) + "\ny\n", "\r\n\r"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		const most = 32
		got, err := linesFrom(data, 0, 4+int(size), most)
		if Format(data) != "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		i := 0
		for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\xef\xbb\xbf"), "\n") {
			line = strings.TrimSuffix(line, "\r")
			if strings.Trim(line, " \t") == "" && len(line) <= most {
				continue
			}
			require.Less(t, i, len(got), "%q", data)
			require.Equal(t, len(line) > most, got[i].bad())
			if !got[i].bad() {
				require.Equal(t, []string{line}, got[i].fields)
			}
			if i < 20 {
				rest, err := linesFrom(data, got[i].end, 4+int(size)/2, most)
				require.NoError(t, err)
				require.Equal(t, got[i+1:], append([]row{}, rest...), "the rest of %q from %d", data, got[i].end)
			}
			i++
		}
		require.Len(t, got, i, "%q", data)
	})
}

func TestLineNumbersAndOffsets(t *testing.T) {
	l := NewLines(strings.NewReader("a\n\r\n\nb\n"+strings.Repeat("x", 50)+"\nc"), 0, -1, 10)
	type place struct{ offset, line int64 }
	var places []place
	for {
		err := l.Next()
		if err == io.EOF {
			break
		}
		places = append(places, place{l.Offset(), l.Line()})
	}
	require.Equal(t, []place{{0, 1}, {5, 4}, {7, 5}, {58, 6}}, places)
}

// allocated returns the number of bytes that f allocates.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

const (
	maxRecord    = 16 << 20
	maxAllocated = 8*maxRecord + 64<<20
)

func TestHostileInputUsesBoundedMemory(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("hundreds of MiB are parsed on one goroutine: make test runs it without the race detector")
	}
	o := CSVOptions{Delimiter: ',', MaxRecord: maxRecord, MaxFields: 10_000}
	for _, test := range []struct {
		name, begin, line string
		limit             int64
		fatal             bool
	}{
		{"64 MiB of commas", "", ",", 64 << 20, false},
		{"10 MiB of commas", "", ",", 10 << 20, false},
		{"100 MiB without a line end", "", "0123456789abcdef", 100 << 20, false},
		{"32 MiB of quotes", "", `"`, 32 << 20, false},
		{"32 MiB of quoted fields", "", `"a",`, 32 << 20, false},
		{"100 MiB after an open quote", `"`, "a,b\n", 100 << 20, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			taken := allocated(func() {
				c := NewCSV(io.MultiReader(strings.NewReader(test.begin), &repeated{line: test.line, limit: test.limit}), 0, -1, o)
				var fault *Fault
				require.ErrorAs(t, c.Next(), &fault)
				require.Equal(t, test.fatal, fault.Fatal, "%v", fault)
				require.True(t, fault.Limit != "" || errors.Is(fault, ErrQuote), "%v", fault)
			})
			require.Less(t, taken, int64(maxAllocated))
		})
	}
	t.Run("100 MiB line of JSON", func(t *testing.T) {
		taken := allocated(func() {
			l := NewLines(io.MultiReader(&repeated{line: "[", limit: 100 << 20}, strings.NewReader("\n{}")), 0, -1, maxRecord)
			var fault *Fault
			require.ErrorAs(t, l.Next(), &fault)
			require.Equal(t, "record bytes", fault.Limit)
			require.NoError(t, l.Next())
			require.Equal(t, "{}", string(l.Bytes()))
		})
		require.Less(t, taken, int64(maxAllocated))
	})
}

func TestLinesAllocateNothing(t *testing.T) {
	l := NewLines(&repeated{line: "{\"some\":\"json\"}\r\n"}, 0, -1, 1000)
	require.Zero(t, testing.AllocsPerRun(50_000, func() {
		if err := l.Next(); err != nil {
			t.Fatal(err)
		}
	}))
}
