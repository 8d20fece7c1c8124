package runfolder_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/internal/runfolder"
)

func at(offset int64) runfolder.Cursor { return runfolder.Cursor{Offset: offset} }

func settled(split string, from, to int64) runfolder.Interval {
	return runfolder.Interval{Split: split, From: at(from), To: at(to)}
}

// forge is a commit record with a right hash, whatever it says.
func forge(t testing.TB, r runfolder.CommitRecord) []byte {
	t.Helper()
	content, err := runfolder.EncodeForged("w", r)
	require.NoError(t, err)
	return content
}

// requireUnwritten requires that no process writes a record that it could not read.
func requireUnwritten(t *testing.T, r runfolder.CommitRecord, want string) {
	t.Helper()
	_, err := runfolder.EncodeCommit("w", r)
	require.ErrorContains(t, err, "is not written")
	require.ErrorContains(t, err, want)
}

func TestForgedCommitsAreRefusedByWhatIsWrong(t *testing.T) {
	good := func() runfolder.CommitRecord {
		return runfolder.CommitRecord{
			From: 3, Number: 3, Settled: []runfolder.Interval{settled("a", 0, 5), settled("a", 7, 0), settled("b", 0, 0)},
			Counts: runfolder.Counts{Read: 9, Taken: 8, Succeeded: 6, Failed: 2, Skipped: 1, Calls: 10, Retries: 2},
		}
	}
	_, err := runfolder.DecodeCommit(t.Context(), forge(t, good()), 3)
	require.NoError(t, err)
	for want, change := range map[string]func(r *runfolder.CommitRecord){
		`settled interval 0: split "a": range from 5 ends at 2`: func(r *runfolder.CommitRecord) { r.Settled[0] = settled("a", 5, 2) },
		`settled interval 0: split "a": range from 5 ends at 5`: func(r *runfolder.CommitRecord) { r.Settled[0] = settled("a", 5, 5) },
		`range begins at offset -1`:                             func(r *runfolder.CommitRecord) { r.Settled[0] = settled("a", -1, 5) },
		`settled interval 1: split "a" from 3 overlaps`:         func(r *runfolder.CommitRecord) { r.Settled[1].From = at(3) },
		`settled interval 1: split "a" from 7 overlaps`:         func(r *runfolder.CommitRecord) { r.Settled[0].To = at(0) },
		`settled interval 2: split "A" from 0 overlaps`:         func(r *runfolder.CommitRecord) { r.Settled[2].Split = "A" },
		`the split has no ID`:                                   func(r *runfolder.CommitRecord) { r.Settled[0].Split = "" },
		`a count is negative`:                                   func(r *runfolder.CommitRecord) { r.Counts.Calls = -1 },
		`a count is 9223372036854775807`:                        func(r *runfolder.CommitRecord) { r.Counts.Read = math.MaxInt64 },
		`6 succeeded, 2 failed and 1 skipped of 100 items`:      func(r *runfolder.CommitRecord) { r.Counts.Read = 100 },
		`10 taken of 9 items`:                                   func(r *runfolder.CommitRecord) { r.Counts.Taken = 10 },
		`11 retries of 10 calls`:                                func(r *runfolder.CommitRecord) { r.Counts.Retries = 11 },
		`elapsed is -1 ns`:                                      func(r *runfolder.CommitRecord) { r.Counts.Elapsed = -1 },
		`record counts 9 items and settles none`:                func(r *runfolder.CommitRecord) { r.Settled = nil },
		`announced item 0: split "a": range from 2 ends at 1`:   func(r *runfolder.CommitRecord) { r.Attempted = []runfolder.Attempt{{Item: settled("a", 2, 1)}} },
		`step 0: announced item 0: a count is negative`: func(r *runfolder.CommitRecord) {
			r.Steps = []runfolder.Step{{Number: 3, Announced: []runfolder.Attempt{{Item: settled("a", 2, 3), Crashes: -1}}}}
		},
		`prefix 1: split "a" is out of order`: func(r *runfolder.CommitRecord) {
			r.Prefixes = []runfolder.Prefix{{Split: "a", Hash: "0123456789abcdef"}, {Split: "a"}}
		},
		`prefix 0: split "a": -1 items`: func(r *runfolder.CommitRecord) {
			r.Prefixes = []runfolder.Prefix{{Split: "a", Items: -1, Hash: "0123456789abcdef"}}
		},
		`prefix 0: split "a": 1 items with hash "0123456789abcdeF"`: func(r *runfolder.CommitRecord) {
			r.Prefixes = []runfolder.Prefix{{Split: "a", Items: 1, Hash: "0123456789abcdeF"}}
		},
	} {
		record := good()
		change(&record)
		_, err := runfolder.DecodeCommit(t.Context(), forge(t, record), 3)
		require.ErrorContains(t, err, want)
	}
}

func TestCommitsThatSettleAnItemTwiceAreRefused(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	put := func(n int64, v runfolder.Interval) {
		record := runfolder.CommitRecord{From: n, Number: n, Settled: []runfolder.Interval{v}, Counts: runfolder.Counts{Read: 1, Succeeded: 1}}
		require.NoError(t, bucket.WriteAll(t.Context(), "out/r/commits/"+runfolder.CommitName(n), forge(t, record), nil))
	}
	put(0, settled("s", 0, 5))
	put(1, settled("s", 7, 9))
	put(2, settled("s", 5, 7))
	commits, err := runfolder.LoadCommits(t.Context(), bucket, "out/r/")
	require.NoError(t, err)
	require.Len(t, commits, 3)
	put(3, settled("s", 8, 10))
	_, err = runfolder.LoadCommits(t.Context(), bucket, "out/r/")
	require.EqualError(t, err, `commits in "out/r/commits/": commits 1 and 3 both settle items of split "s" from 8`)
}

func TestForgedManifestsAreRefusedByWhatIsWrong(t *testing.T) {
	back := runfolder.Split{ID: "s", From: at(5), To: at(2)}
	for want, change := range map[string]func(m *runfolder.Manifest){
		`unread split 0: split "s": range from 5 ends at 2`: func(m *runfolder.Manifest) { m.Unread.Splits = []runfolder.Split{back} },
		`unread after: split "s"`:                           func(m *runfolder.Manifest) { m.Unread.After = &back },
		`settled interval 0`:                                func(m *runfolder.Manifest) { m.Unread.Settled = []runfolder.Interval{settled("s", 5, 2)} },
		`a count is negative`:                               func(m *runfolder.Manifest) { m.Stats.Pending = -1 },
		`counts do not add up: 3 succeeded, 0 failed`:       func(m *runfolder.Manifest) { m.Commits, m.Stats.Succeeded = 1, 3 },
		`elapsed is -1 ns`:                                  func(m *runfolder.Manifest) { m.Stats.Elapsed = -1 },
	} {
		m := anyManifest(0)
		change(&m)
		content, err := runfolder.EncodeManifest(m)
		require.NoError(t, err)
		_, err = runfolder.DecodeManifest(t.Context(), content, "out/r/", "r")
		require.ErrorContains(t, err, want)
	}
}

// Decoding accepts only records that are well formed, and encoding one again keeps all of it.
func FuzzAcceptedCommitsAreWellFormed(f *testing.F) {
	for _, r := range []runfolder.CommitRecord{
		anyCommit(), {Number: 15}, {Number: 15, Settled: []runfolder.Interval{settled("a", 5, 2)}},
		{Number: 15, Settled: []runfolder.Interval{settled("a", 0, 2), settled("a", 1, 0)}, Counts: runfolder.Counts{Read: 2, Succeeded: 1}},
	} {
		body, err := json.Marshal(r)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.IndexByte(body, '\n') >= 0 {
			return
		}
		sum := sha256.Sum256(body)
		header := fmt.Sprintf(`{"format":1,"writer":"w","size":%d,"sha256":"%s"}`, len(body), hex.EncodeToString(sum[:]))
		r, err := runfolder.DecodeCommit(t.Context(), fmt.Appendf(nil, "%s\n%s\n", header, body), 15)
		if err != nil {
			return
		}
		for i, v := range r.Settled {
			require.NotEmpty(t, v.Split)
			require.True(t, v.To == runfolder.Cursor{} || v.From.Key < v.To.Key || v.From.Key == v.To.Key && v.From.Offset < v.To.Offset)
			if i > 0 && r.Settled[i-1].Split == v.Split {
				require.NotEqual(t, runfolder.Cursor{}, r.Settled[i-1].To)
			}
		}
		c := r.Counts
		require.Equal(t, c.Read, c.Succeeded+c.Failed+c.Skipped)
		require.True(t, c.Read >= 0 && c.Taken >= 0 && c.Taken <= c.Read && c.Calls >= c.Retries && c.Retries >= 0 && c.Elapsed >= 0)
		content, err := runfolder.EncodeCommit("w", r)
		require.NoError(t, err)
		again, err := runfolder.DecodeCommit(t.Context(), content, 15)
		require.NoError(t, err)
		same, err := runfolder.EncodeCommit("w", again) // a list of nothing is as good as none
		require.NoError(t, err)
		require.Equal(t, string(content), string(same))
	})
}

func FuzzManifestsAndRunFilesAreReadBackOrRefused(f *testing.F) {
	content, err := runfolder.EncodeManifest(anyManifest(0))
	require.NoError(f, err)
	f.Add(content)
	content, err = runfolder.EncodeRunFile(runfolder.RunFile{RunID: "r", Source: latin, Version: latin, MaxItems: 3})
	require.NoError(f, err)
	f.Add(content)
	f.Add([]byte(`{"Format":1,"RunID":"r","ResultFiles":{"FAILED":[{"Key":"out/r/FAILED_A-1.jsonl","Size":-1}]},"Stats":{"read":-3}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if m, err := runfolder.DecodeManifest(t.Context(), content, "out/r/", "r"); err == nil {
			require.GreaterOrEqual(t, m.Stats.Read, int64(0))
			for k := range runfolder.Kinds {
				for _, p := range m.ResultFiles.Of(k) {
					require.True(t, runfolder.Within("out/r/", p.Key) && p.Size >= 0 && p.Records >= 0, "%+v", p)
				}
			}
		}
		if r, err := runfolder.DecodeRunFile(content, "r"); err == nil {
			require.True(t, r.MaxItems >= 0 && r.Batch.Items >= 0 && r.Batch.Bytes >= 0 && r.Batch.Wait >= 0)
		}
	})
}

func FuzzRecordsAreReadBackOrRefused(f *testing.F) {
	f.Add([]byte(`{"id":"k@3","key":"k","offset":3,"index":0,"attempts":1}`))
	f.Add(append(runfolder.AppendItem(nil, &runfolder.Item{Key: latin, Offset: -1, Split: latin, Start: at(1), Next: runfolder.Cursor{Key: latin, Offset: 2}}), '}'))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := runfolder.DecodeRecord(line)
		if err != nil {
			return
		}
		require.Equal(t, runfolder.ItemID(r.Key, r.Offset), r.ID)
		again, err := runfolder.DecodeRecord(append(runfolder.AppendItem(nil, &r.Item), '}'))
		require.NoError(t, err)
		require.Equal(t, r.Item, again.Item)
	})
}
