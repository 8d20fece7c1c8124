package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// valuesFrom reads an array from an offset, through a buffer of size bytes at first.
func valuesFrom(data []byte, offset int64, size, most int) (rows []row, err error) {
	a := NewArray(bytes.NewReader(data[offset:]), offset, -1, most)
	a.buf = a.buf[:size]
	for {
		err := a.Next()
		if err == io.EOF {
			return rows, nil
		}
		r := row{offset: a.Offset(), end: a.End()}
		var fault *Fault
		switch {
		case errors.As(err, &fault) && !fault.Fatal:
			r.fault = *fault
			r.fault.Line = 0
		case err != nil:
			return rows, err
		default:
			r.fields = []string{string(a.Bytes())}
		}
		rows = append(rows, r)
	}
}

func FuzzArray(f *testing.F) {
	for _, seed := range []string{
		`[]`, "\xef\xbb\xbf [ {\"a\":\"}]\\\"\"} , [1,[2]],\n\"x,]\",null,-1.5e3 ]\n ", `[1,`, `[1 2]`, `[1]]`, `{"a":1}`, `[{"a":1]`,
		`[` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `,"y"]`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		const most = 32
		got, err := valuesFrom(data, 0, 4+int(size), most)
		var want []json.RawMessage
		if json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &want) != nil || want == nil {
			for _, r := range got { // no array, or one with invalid values: only the offsets are checked
				require.LessOrEqual(t, r.offset, r.end)
			}
			return
		}
		require.NoError(t, err, "%q", data)
		require.Len(t, got, len(want), "%q", data)
		for i, r := range got {
			require.Equal(t, len(want[i]) > most, r.bad(), "%q", data)
			if !r.bad() {
				require.Equal(t, []string{string(want[i])}, r.fields)
			}
			rest, err := valuesFrom(data, r.end, 4+int(size), most)
			require.NoError(t, err)
			require.Len(t, rest, len(got)-i-1)
			for j := range rest {
				require.Equal(t, got[i+1+j], rest[j])
			}
		}
	})
}

func TestArraySyntaxErrorsAreFatal(t *testing.T) {
	for data, wrong := range map[string]string{
		``: "not a JSON array", `{}`: "not a JSON array", `[1`: "does not end", `[{"a":`: "does not end", `["a`: "does not end",
		`[1,`: "does not end", `[`: "does not end", `[1 2]`: "expected a comma", `[1]x`: "after the end", `[1, ]`: "a trailing comma before", "\x1f\x8b": "gzip",
	} {
		_, err := valuesFrom([]byte(data), 0, 4, 32)
		var fault *Fault
		require.ErrorAs(t, err, &fault, "%q", data)
		require.True(t, fault.Fatal)
		require.ErrorContains(t, err, wrong, "%q", data)
	}
}

func TestStreamErrorInsideAnArrayIsReturned(t *testing.T) {
	broken := errors.New("reset")
	a := NewArray(io.MultiReader(strings.NewReader(`[{"a":1},{"b"`), failing{broken}), 0, -1, 100)
	require.NoError(t, a.Next())
	require.ErrorIs(t, a.Next(), broken)
}

func TestTooLongValueIsSkippedInBoundedMemory(t *testing.T) {
	data := io.MultiReader(strings.NewReader(`["`), strings.NewReader(strings.Repeat("x", 1<<20)), strings.NewReader(`",{"ok":1}]`))
	a := NewArray(data, 0, 4096, 1000)
	var fault *Fault
	require.ErrorAs(t, a.Next(), &fault)
	require.Equal(t, "more than 1000 record bytes", fault.Error())
	require.NoError(t, a.Next())
	require.Equal(t, `{"ok":1}`, string(a.Bytes()))
	require.ErrorIs(t, a.Next(), io.EOF)
	require.LessOrEqual(t, len(a.buf), 8192)
}

func TestTooDeeplyNestedValueFailsAlone(t *testing.T) {
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	for _, size := range []int{4, 4096} {
		rows, err := valuesFrom([]byte("["+nested(maxDepth)+","+nested(maxDepth+1)+`,{"a":`+nested(maxDepth)+"},1]"), 0, size, 1<<20)
		require.NoError(t, err)
		require.Len(t, rows, 4)
		for i, bad := range []bool{false, true, true, false} {
			require.Equal(t, bad, rows[i].bad(), "%d", i)
		}
		require.Equal(t, "more than 1000 nested arrays and objects", rows[1].fault.Error())
	}
	deep := io.MultiReader(strings.NewReader("["), &repeated{line: "[", limit: 5_000_000}, &repeated{line: "]", limit: 5_000_000}, strings.NewReader(",1]"))
	a := NewArray(deep, 0, -1, 16<<20)
	var fault *Fault
	require.ErrorAs(t, a.Next(), &fault)
	require.False(t, fault.Fatal)
	require.NoError(t, a.Next())
	require.Equal(t, "1", string(a.Bytes()))
}

// valueEnd returns where a value ends, found byte by byte.
func valueEnd(value string) int {
	depth, quoted, escaped := 0, false, false
	for i := range len(value) {
		switch c := value[i]; {
		case escaped:
			escaped = false
		case c == '\\' && quoted:
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !quoted {
			return i + 1
		}
	}
	return 0
}

func TestEndOfAValueIsFoundAcrossBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		var b strings.Builder
		b.WriteString("{")
		for range random.IntN(300) {
			b.WriteString([]string{"[", "]", "{", "}", `"\\"`, `"\"]}"`, `"\\\"{["`, "some text"}[random.IntN(8)])
		}
		b.WriteString(`"` + strings.Repeat(`\`, 2*random.IntN(80)) + `"` + strings.Repeat("}", 300))
		value := b.String()
		var s valueScan
		n, done := 0, false
		for n < len(value) && !done { // in pieces
			var more int
			more, done = s.feed([]byte(value[n:min(n+1+random.IntN(200), len(value))]))
			n += more
		}
		require.Equal(t, valueEnd(value), n, "%q", value)
		require.True(t, done)
	}
}
