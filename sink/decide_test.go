package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/source"
)

// heldRun is a run that holds n items in many small parts.
func heldRun(t *testing.T, n int) *blob.Bucket {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	_, err := dmap.Map(t.Context(), source.Slice(make([]int, n)), func(context.Context, int) (int, error) { return 0, dmap.Hold("why") },
		dmap.Options{RunID: "r"}, Bucket[int](bucket, "", BucketOptions{PartBytes: 500}))
	require.ErrorIs(t, err, dmap.ErrHeld)
	return bucket
}

// However few decisions are in memory at once, each decided item is released once and each other
// one stays held.
func TestDecisionsAreFoundInAnyNumberOfBlocks(t *testing.T) {
	const n = 60
	for _, most := range []int{1, 3, 7, 29, 1000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			bucket := heldRun(t, n)
			want := map[string]bool{} // decided
			for i := 0; i < n; i += 2 {
				id := fmt.Sprintf("item@%d", i)
				want[id] = true
				content, err := runfolder.EncodeDecision(runfolder.DecisionFile{ID: id, Decision: runfolder.Approve})
				require.NoError(t, err)
				require.NoError(t, publish.Create(t.Context(), bucket, "r/"+runfolder.DecisionName(id, 1), "application/json", content))
			}
			f := Bucket[int](bucket, "", BucketOptions{PartBytes: 500})
			file, err := runfolder.LoadRunFile(t.Context(), bucket, "r/", "r")
			require.NoError(t, err)
			spec := dmap.RunSpec{RunID: "r", Source: file.Source}
			log, p, _, err := f.OpenJournal(t.Context(), spec, func(context.Context, *journal.Progress) error { return nil })
			require.NoError(t, err)
			defer func() { require.NoError(t, log.Close()) }()
			d, err := log.(*runLog[int]).decide(t.Context(), &p, p.Number, most)
			require.NoError(t, err)
			require.Empty(t, d.Ignored)
			require.EqualValues(t, len(want), d.Items)
			for _, part := range d.Release.Parts {
				for line, err := range takenLines(t.Context(), bucket, runfolder.Part(part), []journal.Interval{{To: journal.Cursor{Offset: part.Size}}}) {
					require.NoError(t, err)
					r, err := line.record()
					require.NoError(t, err)
					require.True(t, want[r.ID], r.ID)
					require.True(t, r.Decision.Approved)
					delete(want, r.ID)
				}
			}
			require.Empty(t, want)
			state, err := runfolder.CommittedParts("r/", f.run.Load().journal.state.records())
			require.NoError(t, err)
			change, err := runfolder.DecodeStates([]json.RawMessage{d.State})
			require.NoError(t, err)
			state.Add(change)
			held := map[string]bool{}
			for _, part := range state.Held {
				content, err := runfolder.ReadPart(t.Context(), bucket, part)
				require.NoError(t, err)
				require.NoError(t, eachRecord(part, content, func(_ []byte, r *runfolder.Record) error {
					require.False(t, held[r.ID])
					held[r.ID] = true
					return nil
				}))
			}
			require.Len(t, held, n/2)
		})
	}
}

// The union of commits knows the latest release, and nothing of the settled intervals, the lists
// and the parts of those before it.
func TestCompactedRecordsKeepTheLatestRelease(t *testing.T) {
	part := func(n int64) runfolder.Part { return runfolder.Part{Key: fmt.Sprintf("r/HELD_W-%d.jsonl", n)} }
	list := func(n int64) journal.ReleasedPart {
		return journal.ReleasedPart{Key: fmt.Sprintf("r/TAKEN_W-%d.jsonl", n), Size: 100}
	}
	var state journalState
	var want journal.Progress
	var release, most int64
	for n := range int64(600) {
		c := journal.Commit{Number: n}
		switch n % 5 {
		case 0:
			change := runfolder.BucketState{Held: []runfolder.Part{part(n)}}
			if n > 0 {
				change.Dropped = []string{part(release).Key}
			}
			text, err := encodeState(change)
			require.NoError(t, err)
			release = n
			c.Release, c.States = &journal.Release{Number: n, Sink: "0", Parts: []journal.ReleasedPart{list(n)}}, map[string]json.RawMessage{"0": text}
		default:
			at := 10 * (n % 5)
			c.Settled = []journal.Interval{{
				Split: journal.ReleasedSplit(release, list(release).Key), From: journal.Cursor{Offset: at}, To: journal.Cursor{Offset: at + 10},
			}}
			c.Counts = journal.Counts{Again: 1, Succeeded: 1}
		}
		want.Apply(c)
		content, next, err := state.encode("w", c, grouping{}, maxCompacted)
		require.NoError(t, err)
		stored, err := runfolder.DecodeCommit(t.Context(), content, n)
		require.NoError(t, err)
		state = next
		state[len(state)-1].CommitRecord = stored
		most = max(most, int64(len(content)))
		got := state.progress()
		require.Equal(t, want.Settled, got.Settled, "commit %d", n)
		require.Equal(t, want.Release, got.Release, "commit %d", n)
		require.Equal(t, want.Counts, got.Counts)
		all, err := runfolder.CommittedParts("r/", state.records())
		require.NoError(t, err)
		require.Equal(t, []runfolder.Part{part(release)}, all.Held, "commit %d", n)
	}
	require.Less(t, most, int64(2000), "bytes of the largest record")
}
