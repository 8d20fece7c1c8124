package sink_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

// Whatever keys, splits, errors and outputs hold: what is written is what encoding/json would have written, and reading it
// back gives the same, but for bytes that are not UTF-8.
func FuzzRecordsReadBackAsTheyWereWritten(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "<script>&amp;", "é\u2028\u2029\U0001F600", "\xff\xc0\x80", "a\nb\r\tc"} {
		f.Add(s, s, s, int64(len(s)), int64(1))
	}
	f.Add("k", "s", "e", int64(-1), int64(-1<<63))
	f.Fuzz(func(t *testing.T, key, split, text string, offset, index int64) {
		bucket := memory(t)
		s := begun[[]string](t, bucket, sink.BucketOptions{Inputs: sink.InputsAll})
		info := dmap.Info{Key: key, Split: split, Offset: offset, Index: index, Attempt: 3}
		ok := dmap.Result[[]string]{Info: info, Value: []string{key, text}, Input: &text}
		bad := dmap.Result[[]string]{Info: info, Err: errors.New(text), Input: &text}
		require.NoError(t, s.Write(t.Context(), []dmap.Result[[]string]{ok, bad}))
		m := ended(t, bucket, s, dmap.Ending{})

		valid := func(s string) string { // as encoding/json decodes what it encoded
			text, err := json.Marshal(s)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &s))
			return s
		}
		want := sink.Identity{ID: valid(info.ID()), Key: valid(key), Offset: offset, Split: valid(split), Index: index, Attempts: 3}
		good := collect(t, sink.Successes[[]string](t.Context(), bucket, m))
		require.Len(t, good, 1)
		require.Equal(t, want, good[0].Identity)
		require.Equal(t, []string{valid(key), valid(text)}, good[0].Output)
		failed := collect(t, m.Failures(t.Context(), bucket))
		require.Len(t, failed, 1)
		require.Equal(t, want, failed[0].Identity)
		if len(text) < 1000 {
			require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), failed[0].Error)
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
		for _, r := range collect(t, sink.Successes[json.RawMessage](t.Context(), bucket, m)) {
			got = append(got, r.Output)
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, string(want[i]), string(got[i]))
		}
	})
}

// No manifest makes the reader panic, hang or leave the run's folder.
func FuzzManifestsNeverLeadOutOfTheFolder(f *testing.F) {
	f.Add(`{"Format":1,"RunID":"r","ResultFiles":{"SUCCEEDED":[{"Key":"out/r/a.jsonl","Size":9,"Records":1,"SHA256":""}]}}`)
	f.Add(`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/../../x.jsonl","Size":9223372036854775807}]}}`)
	f.Add(`{"Format":1,"RunID":"r","Records":"FLATTEN","Stats":{"elapsed":1e99}}`)
	f.Fuzz(func(t *testing.T, text string) {
		bucket := memory(t)
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest.json", []byte(text), nil))
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/a.jsonl", []byte("{\"x\":1}\n\n"), nil))
		m, err := sink.LoadManifest(t.Context(), bucket, "out", "r")
		if err != nil {
			return
		}
		for _, parts := range [][]sink.Part{m.ResultFiles.Failed, m.ResultFiles.Pending, m.ResultFiles.Succeeded} {
			for _, p := range parts {
				require.Regexp(t, `^out/r/[^/]+\.jsonl$`, p.Key)
			}
		}
		for _, err := range sink.Successes[any](t.Context(), bucket, m) {
			require.True(t, err == nil || strings.Contains(err.Error(), "out/r/"), "%v", err)
		}
	})
}
