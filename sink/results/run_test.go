package results_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func TestInvalidManifestsAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not JSON":       {`<html>`, "invalid character"},
		"cut off":        {`{"Format":1,"RunID":"r","ResultFiles":{"SUCC`, "unexpected end"},
		"no format":      {`{"RunID":"r"}`, "no format number"},
		"newer":          {`{"Format":2,"RunID":"r"}`, "format 2"},
		"no parts":       {`{"Format":1,"RunID":"r"}`, "no ResultFiles"},
		"other number":   {`{"Format":1,"RunID":"r","Redrive":1,"ResultFiles":{}}`, "belongs to redrive 1"},
		"base64":         {`{"Format":1,"RunID":"r","ResultFiles":{},"SourceBase64":"!"}`, "base64"},
		"other run":      {`{"Format":1,"RunID":"q"}`, `run "q"`},
		"other folder":   {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"secret/FAILED_1.jsonl"}]}}`, "not in folder"},
		"outside":        {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/../x.jsonl"}]}}`, "not in folder"},
		"itself":         {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/manifest-000.json"}]}}`, "no .jsonl file"},
		"twice":          {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl"},{"Key":"out/r/a.jsonl"}]}}`, "twice"},
		"negative":       {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl","Size":-1}]}}`, "size -1"},
		"enormous":       {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/a.jsonl","Size":9223372036854775807}]}}`, "size 9"},
		"a million more": {`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[` + strings.Repeat(`{"Key":"out/r/a.jsonl"},`, 1_000_000) + `{"Key":"out/r/a.jsonl"}]}}`, "1000000 parts"},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest-000.json", []byte(test.text), nil))
			_, err := results.Load(t.Context(), bucket, "out", "r")
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "out/r/manifest-000.json")
		})
	}
}

func TestAManifestOfALaterMinorVersionIsStillRead(t *testing.T) {
	bucket := memory(t)
	stored(t, bucket, sink.BucketOptions{}, 1)
	text := strings.Replace(read(t, bucket, "out/r/manifest-000.json"), "{", `{"Added": {"later": true},`, 1)
	require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest-000.json", []byte(text), nil))
	m, err := results.Load(t.Context(), bucket, "out", "r")
	require.NoError(t, err)
	require.Len(t, collect(t, results.Successes[int](t.Context(), bucket, m)), 1)
	require.True(t, slices.IsSortedFunc(m.SucceededParts, func(a, b results.Part) int { return strings.Compare(a.Key, b.Key) }))
	require.WithinDuration(t, time.Now(), m.Stopped, time.Minute)
}

// No manifest makes the reader panic, hang or leave the run's folder.
func FuzzManifestsStayInTheFolder(f *testing.F) {
	f.Add(`{"Format":1,"RunID":"r","ResultFiles":{"SUCCEEDED":[{"Key":"out/r/a.jsonl","Size":9,"Records":1,"SHA256":""}]}}`)
	f.Add(`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/../../x.jsonl","Size":9223372036854775807}]}}`)
	f.Add(`{"Format":1,"RunID":"r","Records":"FLATTEN","Stats":{"elapsed":1e99}}`)
	f.Fuzz(func(t *testing.T, text string) {
		bucket := memory(t)
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/manifest-000.json", []byte(text), nil))
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/a.jsonl", []byte("{\"x\":1}\n\n"), nil))
		m, err := results.Load(t.Context(), bucket, "out", "r")
		if err != nil {
			return
		}
		for _, parts := range [][]results.Part{m.FailedParts, m.PendingParts, m.SucceededParts} {
			for _, p := range parts {
				require.Regexp(t, `^out/r/[^/]+\.jsonl$`, p.Key)
			}
		}
		for _, err := range results.Successes[any](t.Context(), bucket, m) {
			require.True(t, err == nil || strings.Contains(err.Error(), "out/r/"), "%v", err)
		}
	})
}
