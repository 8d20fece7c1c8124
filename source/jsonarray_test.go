package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

func manyValues() string {
	var b strings.Builder
	b.WriteString("\xef\xbb\xbf [")
	for i := range 50 {
		if i > 0 {
			b.WriteString(" ,\n")
		}
		fmt.Fprintf(&b, `{"n":%d, "text": "] } \" %s"}`, i, strings.Repeat("[", i*3))
	}
	b.WriteString("]\n ")
	return b.String()
}

func TestJSONArrayConforms(t *testing.T) {
	bucket := folder(t, map[string]string{"array.json": manyValues(), "in/1": manyValues(), "in/2": "[]", "in/3": "[{\"n\":1}]"})
	dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] { return source.JSONArray[number](bucket, "array.json") })
	t.Run("flatten", func(t *testing.T) {
		dmaptest.TestSource(t, func(testing.TB) dmap.Source[number] {
			return source.Flatten(source.Objects(bucket, "in/"), func(o source.Object) dmap.Source[number] { return source.JSONArrayOf[number](o) })
		})
	})
}

func arrayOf(tb testing.TB, data string, options ...source.JSONArrayOptions[number]) dmap.Source[number] {
	return source.JSONArray(memory(tb, map[string]string{"k": data}), "k", options...)
}

func TestBadValuesFailAlone(t *testing.T) {
	deep := strings.Repeat("[", 1001) + strings.Repeat("]", 1001)
	long := `{"n":1,"text":"` + strings.Repeat("x", 3000) + `"}`
	require.Equal(t, `k@1 {1}
k@9 ! object "k" line 1 (byte 9): json at byte 8: json: cannot unmarshal string into Go struct field number.n of type int
k@20 ! object "k" line 2 (byte 20): json at byte 7: invalid character '}' looking for beginning of value
k@28 ! object "k" line 2 (byte 28): invalid UTF-8
k@41 ! object "k" line 2 (byte 41): more than 1000 nested arrays and objects
k@2044 ! object "k" line 2 (byte 2044): more than 2500 record bytes
k@5062 {3}
`, lines(read(t, arrayOf(t, "[{\"n\":1},{\"n\":\"x\"},\n{\"n\": },{\"t\":\"\xff\xfe..\"},"+deep+","+long+`,{"n":3}]`, source.JSONArrayOptions[number]{MaxRecord: 2500}))))
}

func TestWhatIsNoArrayEndsTheSource(t *testing.T) {
	for data, want := range map[string]string{
		"": "not a JSON array", `{"a":[1]}`: "not a JSON array", `[{"n":1}`: "does not end", `[{"n":1} {"n":2}]`: "expected a comma", `[{"n":1}]]`: "after the end", "\x1f\x8b": "gzip",
	} {
		_, err := try(t.Context(), arrayOf(t, data))
		var row *source.RowError
		require.ErrorAs(t, err, &row, "%q", data)
		require.ErrorContains(t, err, want, "%q", data)
		require.ErrorContains(t, err, `object "k"`)
	}
	require.Empty(t, read(t, arrayOf(t, " [ ] ")))
}

func TestDecodeOfAnArrayIsTheUsers(t *testing.T) {
	decode := func(value []byte) (number, error) {
		switch {
		case bytes.Equal(value, []byte("0")):
			panic("boom")
		case bytes.Equal(value, []byte("1")):
			return number{}, dmap.ErrSkip
		}
		return number{len(value)}, nil
	}
	items := read(t, arrayOf(t, `[0,1,222]`, source.JSONArrayOptions[number]{Decode: decode}))
	var panicked *dmap.PanicError
	require.ErrorAs(t, items[0].Err, &panicked)
	require.ErrorIs(t, items[1].Err, dmap.ErrSkip)
	require.Equal(t, []number{{3}}, values(items))
}

// FuzzJSONArray holds the items against what json.Unmarshal makes of the whole, and each rest
// against what follows.
func FuzzJSONArray(f *testing.F) {
	for _, data := range []string{manyValues(), "[1,2]", `["a",{"b":[]}]`, "[", "[1 2]"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := source.JSONArray[any](memory(t, map[string]string{"k": string(data)}), "k")
		items, err := try(t.Context(), src)
		var want []any
		trimmed := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		wantErr := json.Unmarshal(trimmed, &want)
		if wantErr != nil || want == nil {
			bad := err != nil
			for _, item := range items {
				bad = bad || item.Err != nil
			}
			require.True(t, bad, "%q: %v", data, wantErr)
			return
		}
		require.NoError(t, err, "%q", data)
		require.Len(t, items, len(want))
		for i, item := range items {
			if item.Err != nil {
				var row *source.RowError
				var limit *source.LimitError
				require.True(t, errors.As(item.Err, &limit) || errors.As(item.Err, &row) && strings.Contains(row.Error(), "UTF-8"), "%q: %v", data, item.Err)
				continue
			}
			require.Equal(t, want[i], item.Value, "%q", data)
		}
		if len(items) > 0 {
			at := items[len(items)/2]
			var rest []any
			for item, err := range plan(src).Read(t.Context(), dmap.Split{From: at.Next}) {
				require.NoError(t, err)
				rest = append(rest, item.Offset)
			}
			var later []any
			for _, item := range items[len(items)/2+1:] {
				later = append(later, item.Offset)
			}
			require.Equal(t, later, rest, "%q", data)
		}
	})
}
