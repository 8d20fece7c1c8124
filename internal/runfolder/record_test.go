package runfolder_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// What the appending functions write is what DecodeRecord reads, for keys of any bytes, and has no
// other field.
func FuzzRecordsReadBack(f *testing.F) {
	f.Add("k", "s", "v", int64(-1), int64(0), "a", int64(0), "text")
	f.Add(latin, latin, latin, int64(7), int64(9), latin, int64(3), "\x00\u2028\"\\")
	f.Add("", "", "", int64(0), int64(0), "", int64(5), "")
	f.Fuzz(func(t *testing.T, key, split, version string, offset, index int64, at string, cursor int64, text string) {
		offset, index = max(offset, runfolder.WholeObject), max(index, 0)
		want := runfolder.Record{Item: runfolder.Item{
			ID: runfolder.ItemID(key, offset), Key: key, Offset: offset, Split: split, Version: version,
			Start: runfolder.Cursor{Key: at, Offset: cursor}, Next: runfolder.Cursor{Key: key, Offset: index}, Index: index, Attempts: 3,
			From: &runfolder.Cursor{Key: at, Offset: cursor}, Header: runfolder.ItemID("h", offset),
		}, Elapsed: 12, Input: json.RawMessage(`{"a":[1]}`), Output: json.RawMessage(`2`)}
		line := runfolder.AppendItem(nil, &want.Item)
		line = runfolder.AppendElapsed(line, want.Elapsed)
		line = append(append(line, runfolder.InputField...), want.Input...)
		line = append(append(line, runfolder.OutputField...), want.Output...)
		line = append(line, '}')
		if want.ID == "" {
			return // no source has an object without a key
		}
		got, err := runfolder.DecodeRecord(line)
		require.NoError(t, err, "%s", line)
		require.Equal(t, &want, got)

		strict := json.NewDecoder(bytes.NewReader(append(runfolder.AppendInputError(runfolder.AppendError(line[:len(line)-1], text, text, text), text), '}')))
		strict.DisallowUnknownFields()
		var r runfolder.Record
		require.NoError(t, strict.Decode(&r))
		require.Equal(t, r.Class, r.Error)
		require.Equal(t, r.Stack, r.Error)
		require.Equal(t, r.InputError, r.Error)
	})
}

func TestRecordsThatNoRunWritesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     "record of no item",
		`{"id":"a","key":"b","offset":-1}`:       "are of another",
		`{"id":"a@3","key":"a"}`:                 "are of another",
		`{"id":"a","key":"a","offset":-2}`:       "record of no item",
		`{"id":"a@0","key":"a","index":-1}`:      "index -1",
		`{"id":"a@0","key":"a","attempts":""`:    "unexpected end",
		`{"id":"a@0","key":"a","keyBase64":"?"}`: "base64",
	} {
		_, err := runfolder.DecodeRecord([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
