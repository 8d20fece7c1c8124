package sink_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// Keys, splits, versions and cursors of any bytes read back as they were written. Values and errors
// read back as encoding/json would write them: they lose bytes that are not UTF-8.
func FuzzRecordsReadBackAsTheyWereWritten(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "<script>&amp;", "é\u2028\u2029\U0001F600", "\xff\xc0\x80", "a\nb\r\tc"} {
		f.Add(s, s, s, int64(len(s)), int64(1))
	}
	f.Add("k", "s", "e", int64(-1), int64(-1<<63))
	f.Fuzz(func(t *testing.T, key, split, text string, offset, index int64) {
		offset, index = max(offset, dmap.WholeObject), index&math.MaxInt64
		bucket := memory(t)
		s := begun[[]string](t, bucket, sink.BucketOptions{Inputs: sink.InputsAll})
		info := dmap.Info{Key: key, Split: split, Offset: offset, Index: index, Attempt: 3}
		ok := dmap.Result[[]string]{Info: info, Value: []string{key, text}, Input: &text}
		start, next := dmap.Cursor{Key: text, Offset: index}, dmap.Cursor{Key: key}
		bad := dmap.Result[[]string]{Info: info, Err: errors.New(text), Input: &text, At: &dmap.Position{Version: text, Start: start, Next: next}}
		require.NoError(t, s.Write(t.Context(), []dmap.Result[[]string]{ok, bad}))
		m := ended(t, bucket, s, dmap.Ending{})

		valid := func(s string) string { // as encoding/json decodes what it encoded
			text, err := json.Marshal(s)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &s))
			return s
		}
		want := results.Item{ID: info.ID(), Key: key, Offset: offset, Split: split, Index: index, Attempts: 3}
		good := collect(t, results.Successes[[]string](t.Context(), bucket, m))
		require.Len(t, good, 1)
		require.Equal(t, want, good[0].Item)
		require.Equal(t, []string{valid(key), valid(text)}, good[0].Output)
		failed := collect(t, results.Failures(t.Context(), bucket, m))
		require.Len(t, failed, 1)
		want.Version, want.Start, want.Next = text, start, next
		require.Equal(t, want, failed[0].Item)
		if len(text) < 1000 { // without secrets and control characters
			require.Equal(t, scrub.Text(text, 4<<10), failed[0].Error)
		}
		var input string
		require.NoError(t, json.Unmarshal(failed[0].Input, &input))
		require.Equal(t, valid(text), input)
	})
}

// Flatten gives the elements that encoding/json sees in the same array.
func FuzzFlattenOpensArraysAsEncodingJSONDoes(f *testing.F) {
	for _, s := range []string{`[]`, `[1,"a,]\\\"",[2,[3]],{"k":[4,{}]},null,true]`, ` [ 1 , [ ] ] `, `["\\"]`, `"no"`, `{"a":[1]}`, `[`, `[[[]]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		var compact strings.Builder
		encoder := json.NewEncoder(&compact)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(json.RawMessage(text)))
		want := []json.RawMessage{json.RawMessage(strings.TrimSpace(compact.String()))}
		if want[0][0] == '[' {
			require.NoError(t, json.Unmarshal(want[0], &want))
		}
		bucket := memory(t)
		s := begun[json.RawMessage](t, bucket, sink.BucketOptions{Records: sink.Flatten})
		require.NoError(t, s.Write(t.Context(), one(row(0, json.RawMessage(text)))))
		m := ended(t, bucket, s, dmap.Ending{})
		var got []json.RawMessage
		for _, r := range collect(t, results.Successes[json.RawMessage](t.Context(), bucket, m)) {
			got = append(got, r.Output)
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, string(want[i]), string(got[i]))
		}
	})
}
