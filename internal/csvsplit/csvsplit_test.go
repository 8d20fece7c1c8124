package csvsplit

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/internal/testsize"
)

var csv = CSV{Delimiter: ','}

// statesByByte returns the states before each byte of data and after the last, computed byte by
// byte.
func statesByByte(data []byte) []State {
	states := []State{LineStart}
	for _, b := range data {
		states = append(states, csv.step(states[len(states)-1], b))
	}
	return states
}

// statesByParts scans data in parts of the given size. It returns the state before each part and
// after the last, and the first row start in each part as an offset in data.
func statesByParts(data []byte, size int) (states []State, firsts []int) {
	s := LineStart
	for at := 0; at < len(data); at += size {
		part := data[at:min(at+size, len(data))]
		states = append(states, s)
		var first int
		s, first = csv.Next(part, csv.Scan(part), s)
		if first != None {
			first += at
		}
		firsts = append(firsts, first)
	}
	return append(states, s), firsts
}

// firstRowStart returns the first row start in states after from and up to to, or None.
func firstRowStart(states []State, from, to int) int {
	for i := from + 1; i <= to; i++ {
		switch states[i] {
		case LineStart:
			return i
		case Broken:
			return None
		}
	}
	return None
}

func checkParts(t *testing.T, data []byte, size int) {
	t.Helper()
	want := statesByByte(data)
	states, firsts := statesByParts(data, size)
	for i, s := range states {
		at := min(i*size, len(data))
		if want[at] != s {
			t.Fatalf("%q in parts of %d: state %v at %d, by bytes %v", data, size, s, at, want[at])
		}
	}
	for i, first := range firsts {
		if start := firstRowStart(want, i*size, min((i+1)*size, len(data))); start != first {
			t.Fatalf("%q in parts of %d: first row start %d in part %d, by bytes %d", data, size, first, i, start)
		}
	}
}

// random returns CSV syntax in random order, mostly as a CSV writer would write it.
func random(r *rand.Rand) []byte {
	var b bytes.Buffer
	if r.IntN(2) == 0 {
		for range r.IntN(60) {
			b.WriteByte(`a,"`[r.IntN(3)])
			b.WriteString([]string{"", "", "\n", "\r\n", "\r", `"`}[r.IntN(6)])
		}
		return b.Bytes()
	}
	for range r.IntN(12) {
		for range r.IntN(4) {
			b.WriteString([]string{"", "ab", `""`, `"x,y"`, "\"two\nlines\"", `"a ""b"""`, "\"\r\n\"", strings.Repeat("long", 10)}[r.IntN(8)])
			b.WriteByte(',')
		}
		b.WriteString([]string{"\n", "\r\n", "\n\n", `"q"` + "\r\n", "\r"}[r.IntN(5)])
	}
	return b.Bytes()
}

func TestPartsAgreeWithByteByByteScan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		data := random(r)
		for _, size := range []int{1, 2, 3, 5, 8, 17, 40, 1000} {
			checkParts(t, data, size)
		}
	}
}

// rowStarts returns the offsets at which a reader of data finds rows, and whether an open quote
// stopped it.
func rowStarts(t *testing.T, data []byte) (map[int]bool, bool) {
	t.Helper()
	rows := record.NewCSV(bytes.NewReader(data), 0, -1, record.CSVOptions{Delimiter: ',', MaxRecord: 20, MaxFields: 4})
	found := map[int]bool{}
	for {
		err := rows.Next()
		var fault *record.Fault
		switch {
		case err == io.EOF:
			return found, false
		case errors.As(err, &fault) && fault.Fatal:
			return found, true
		case err != nil:
			require.ErrorAs(t, err, &fault)
		}
		found[int(rows.Offset())] = true
	}
}

// A reader that starts at a row start finds the rows that a reader of all data finds from there.
func TestReaderFromARowStartFindsTheRemainingRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tried := 0
	texts := testsize.Sizes{Short: 1000, Usual: 5000, Long: 50_000}.Now()
	for range texts {
		data := random(r)
		all, _ := rowStarts(t, data)
		for i, s := range statesByByte(data) {
			if s == Broken {
				break
			}
			if s != LineStart || i == 0 {
				continue
			}
			tried++
			rest, _ := rowStarts(t, data[i:])
			for at := range all {
				if (at >= i) != rest[at-i] {
					t.Fatalf("%q from %d: the row at %d differs", data, i, at)
				}
			}
			for at := range rest {
				if !all[i+at] {
					t.Fatalf("%q from %d has a row at %d", data, i, i+at)
				}
			}
		}
	}
	require.Greater(t, tried, 2*texts)
}

func FuzzParts(f *testing.F) {
	f.Add([]byte("a,\"b\"\"\n\"\r\nc,d\n"), uint8(3))
	f.Add([]byte("\"\"\"\n\r\"\n,\"\"\n"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) { checkParts(t, data, int(size)+1) })
}

// benchmark scans 16 MiB of rows.
func benchmark(b *testing.B, row string) {
	data := []byte(strings.Repeat(row, (16<<20)/len(row)))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		csv.Scan(data)
	}
}

func BenchmarkScanPlain(b *testing.B) {
	benchmark(b, "1,2019-01-01 00:46:40,2019-01-01 00:53:20,1,1.50,1,N,151,239,1,7,0.5,0.5,1.65,0,0.3,9.95,,\n")
}

func BenchmarkScanQuoted(b *testing.B) {
	benchmark(b, `"bucket","data/2026/11/24/part-00017.json","1048576","2026-11-24T10:00:00.000Z","STANDARD"`+"\n")
}
