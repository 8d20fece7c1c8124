package runfolder_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

func edit(to string) runfolder.Edit {
	return runfolder.Edit{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Setting: "MaxConcurrency", From: "1", To: to}
}

func edits(n int) *runfolder.Edits {
	e := &runfolder.Edits{Count: int64(n)}
	for range n {
		e.Newest = append(e.Newest, edit("2"))
	}
	return e
}

func TestCommitsAndManifestsKeepEditsAndTolerance(t *testing.T) {
	record := anyCommit()
	record.Edits, record.Tolerance = edits(runfolder.MaxEdits), &runfolder.Tolerance{Count: 3, Percentage: 2.5, MinItems: 7, BrokenObjects: 1}
	record.Edits.Count = 1 << 40
	content, err := runfolder.EncodeCommit("w", record)
	require.NoError(t, err)
	got, err := runfolder.DecodeCommit(t.Context(), content, 15)
	require.NoError(t, err)
	require.Equal(t, record.Edits, got.Edits)
	require.Equal(t, record.Tolerance, got.Tolerance)

	m := runfolder.Manifest{RunID: "r", ResultFiles: &runfolder.ResultFiles{}, Edits: edits(2), Tolerance: &runfolder.Tolerance{}}
	content, err = runfolder.EncodeManifest(m)
	require.NoError(t, err)
	read, err := runfolder.DecodeManifest(t.Context(), content, "r/", "r")
	require.NoError(t, err)
	require.Equal(t, m.Edits, read.Edits)
	require.Equal(t, m.Tolerance, read.Tolerance)
}

// Anybody who may write to the bucket can write a record.
func TestEditsThatNoRunWritesAreRefused(t *testing.T) {
	long := strings.Repeat("x", runfolder.MaxEditText+1)
	for want, e := range map[string]*runfolder.Edits{
		"more than 100 edits":                edits(runfolder.MaxEdits + 1),
		"0 edits are counted, 1 are there":   {Newest: []runfolder.Edit{edit("2")}},
		"-1 edits are counted, 0 are there":  {Count: -1},
		"-5 edits are counted, 1 are there":  {Count: -5, Newest: []runfolder.Edit{edit("2")}},
		"a count is 9007199254740993":        {Count: 1<<53 + 1},
		"edit 0: a text has more than 256 b": {Count: 1, Newest: []runfolder.Edit{edit(long)}},
	} {
		record := anyCommit()
		record.Edits = e
		requireUnwritten(t, record, want)
		content, err := runfolder.EncodeForged("w", record)
		require.NoError(t, err)
		_, err = runfolder.DecodeCommit(t.Context(), content, 15)
		require.ErrorContains(t, err, want)

		content, err = runfolder.EncodeManifest(runfolder.Manifest{RunID: "r", ResultFiles: &runfolder.ResultFiles{}, Edits: e})
		require.NoError(t, err)
		_, err = runfolder.DecodeManifest(t.Context(), content, "r/", "r")
		require.ErrorContains(t, err, want)
	}
	for want, tolerance := range map[string]runfolder.Tolerance{
		"tolerance is -1 %":              {Percentage: -1},
		"tolerance is 101 %":             {Percentage: 101},
		"tolerance: a limit is negative": {BrokenObjects: -1},
	} {
		record := anyCommit()
		record.Tolerance = &tolerance
		requireUnwritten(t, record, want)
		content, err := runfolder.EncodeForged("w", record)
		require.NoError(t, err)
		_, err = runfolder.DecodeCommit(t.Context(), content, 15)
		require.ErrorContains(t, err, want)
	}
}

// "edits" may be null, twice, or something else.
func TestOddEditsAreReadOrRefused(t *testing.T) {
	read := func(edits string) (*runfolder.Manifest, error) {
		return runfolder.DecodeManifest(t.Context(), []byte(`{"Format":1,"RunID":"r","ResultFiles":{},"Edits":`+edits+`}`), "r/", "r")
	}
	for _, good := range []string{`null`, `{}`, `{"newest":null}`, `{"count":3,"newest":[]}`, `{"count":1,"newest":[{}]}`} {
		_, err := read(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{`[]`, `3`, `{"newest":{}}`, `{"newest":[3]}`, `{"count":"1"}`, `{"count":1e30}`} {
		_, err := read(bad)
		require.Error(t, err, bad)
	}
}

func TestTheNewestEditsOfTheCommitsAreKept(t *testing.T) {
	commits := []runfolder.CommitRecord{
		{}, {Edits: edits(60), Tolerance: &runfolder.Tolerance{Count: 1}}, {Edits: &runfolder.Edits{Count: 500, Newest: []runfolder.Edit{edit("3")}}},
		{Edits: edits(60), Tolerance: &runfolder.Tolerance{Count: 2}}, {},
	}
	all := runfolder.CommittedEdits(commits)
	require.EqualValues(t, 620, all.Count)
	require.Len(t, all.Newest, runfolder.MaxEdits)
	require.Equal(t, edit("3"), all.Newest[39])
	require.EqualValues(t, 2, runfolder.CommittedTolerance(commits).Count)
	require.Nil(t, runfolder.CommittedEdits(commits[:1]))
	require.Nil(t, runfolder.CommittedTolerance(commits[:1]))
}

func FuzzEditsAreReadBackOrRefused(f *testing.F) {
	f.Add(`{"count":2,"newest":[{"at":"2026-01-02T03:04:05Z","setting":"Rate","from":"a","to":"b"}]}`)
	f.Add(`{"newest":[{"at":3}]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		content := `{"Format":1,"RunID":"r","ResultFiles":{},"Edits":` + text + `}`
		m, err := runfolder.DecodeManifest(t.Context(), []byte(content), "r/", "r")
		if err != nil || m.Edits == nil {
			return
		}
		require.LessOrEqual(t, len(m.Edits.Newest), runfolder.MaxEdits)
		require.GreaterOrEqual(t, m.Edits.Count, int64(len(m.Edits.Newest)))
		again, err := json.Marshal(m.Edits)
		require.NoError(t, err)
		var back runfolder.Edits
		require.NoError(t, json.Unmarshal(again, &back))
		require.Equal(t, m.Edits.Count, back.Count)
	})
}
