package runfolder_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// latin is a key that is not valid UTF-8.
const latin = "M\xfcller/\xff\xfe.csv"

func anyInterval() runfolder.Interval {
	return runfolder.Interval{Split: latin, Version: latin, From: runfolder.Cursor{Key: latin}, To: runfolder.Cursor{Key: "b" + latin, Offset: 3}}
}

// anyCommit is record 15, the union of the commits 0 to 15, with keys of any bytes.
func anyCommit() runfolder.CommitRecord {
	attempt := runfolder.Attempt{Item: anyInterval(), ID: latin + "@3", Crashes: 2, Alone: 1, Suspect: true, Live: true, Single: true}
	return runfolder.CommitRecord{
		Number: 15, Settled: []runfolder.Interval{anyInterval()}, Counts: runfolder.Counts{Read: 3, Succeeded: 3, Elapsed: 9},
		Prefixes: []runfolder.Prefix{{Split: latin, Items: 3, Hash: "0123456789abcdef", Ended: true}},
		States:   map[string][]json.RawMessage{"0": {json.RawMessage(`{"a":1}`)}}, Clean: true, Attempted: []runfolder.Attempt{attempt},
		Steps: []runfolder.Step{{Number: 14, Begins: true, Stuck: true, Alone: true, Announced: []runfolder.Attempt{attempt}}},
	}
}

func TestCommitsKeepKeysOfAnyBytes(t *testing.T) {
	content, err := runfolder.EncodeCommit("w", anyCommit())
	require.NoError(t, err)
	got, err := runfolder.DecodeCommit(t.Context(), content, 15)
	require.NoError(t, err)
	require.Equal(t, anyCommit(), got)
}

func TestCommitsThatNoRunWritesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*runfolder.CommitRecord){
		"want 0 to 15":        func(r *runfolder.CommitRecord) { r.From = 1 },
		"count is negative":   func(r *runfolder.CommitRecord) { r.Counts.Read = -1 },
		"out of order":        func(r *runfolder.CommitRecord) { r.Steps[0].Number = 16 },
		"holds the commits 0": func(r *runfolder.CommitRecord) { r.Number = 14 },
	} {
		record := anyCommit()
		change(&record)
		content, err := runfolder.EncodeForged("w", record)
		require.NoError(t, err)
		_, err = runfolder.DecodeCommit(t.Context(), content, 15)
		require.ErrorContains(t, err, want)
	}
	_, err := runfolder.DecodeCommit(t.Context(), []byte(`{"format":3}`+"\n{}\n"), 0)
	require.ErrorContains(t, err, "use a newer version")
}

func TestARecordHoldsAPowerOf16OfCommits(t *testing.T) {
	require.Equal(t, []int64{1}, runfolder.Spans(3))
	require.Equal(t, []int64{256, 16, 1}, runfolder.Spans(511))
	record := anyCommit()
	for _, span := range runfolder.Spans(15) {
		record.From = 16 - span
		record.Steps = nil
		content, err := runfolder.EncodeCommit("w", record)
		require.NoError(t, err)
		_, err = runfolder.DecodeCommit(t.Context(), content, 15)
		require.NoError(t, err)
	}
}

func TestARecordThatNobodyCouldReadIsNotWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes 256 MiB")
	}
	state := json.RawMessage(`"` + strings.Repeat("x", runfolder.MaxCommit) + `"`)
	_, err := runfolder.EncodeCommit("w", runfolder.CommitRecord{States: map[string][]json.RawMessage{"0": {state}}})
	require.ErrorIs(t, err, runfolder.ErrTooLarge)
}

func FuzzACommitIsReadBackOrRefused(f *testing.F) {
	good, err := runfolder.EncodeCommit("w", runfolder.CommitRecord{From: 3, Number: 3, Settled: []runfolder.Interval{{Split: "s"}}})
	require.NoError(f, err)
	f.Add(good, 0, byte(0))
	f.Add(good[:len(good)-1], 5, byte(1))
	f.Add([]byte("{}\n{}\n"), 1, byte('x'))
	f.Fuzz(func(t *testing.T, content []byte, at int, flip byte) {
		_, _ = runfolder.DecodeCommit(t.Context(), content, 3)
		damaged := append([]byte{}, good...)
		damaged[max(at, -at-1)%len(damaged)] ^= flip
		got, err := runfolder.DecodeCommit(t.Context(), damaged, 3)
		if err == nil {
			want, _ := runfolder.DecodeCommit(t.Context(), good, 3)
			require.Equal(t, want, got)
		}
	})
}
