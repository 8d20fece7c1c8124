package commits

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// The union of commits knows the latest release, and nothing of the settled intervals, the lists
// and the parts of those before it.
func TestCompactedRecordsKeepTheLatestRelease(t *testing.T) {
	part := func(n int64) runfolder.Part { return runfolder.Part{Key: fmt.Sprintf("r/HELD_W-%d.jsonl", n)} }
	list := func(n int64) journal.ReleasedPart {
		return journal.ReleasedPart{Key: fmt.Sprintf("r/TAKEN_W-%d.jsonl", n), Size: 100}
	}
	var state State
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
			text, err := json.Marshal(change)
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
		content, next, err := state.Encode("w", c, Extra{}, MaxBytes)
		require.NoError(t, err)
		stored, err := runfolder.DecodeCommit(t.Context(), content, n)
		require.NoError(t, err)
		state = next
		state[len(state)-1].CommitRecord = stored
		most = max(most, int64(len(content)))
		got := state.Progress()
		require.Equal(t, want.Settled, got.Settled, "commit %d", n)
		require.Equal(t, want.Release, got.Release, "commit %d", n)
		require.Equal(t, want.Counts, got.Counts)
		all, err := runfolder.CommittedParts("r/", state.Records())
		require.NoError(t, err)
		require.Equal(t, []runfolder.Part{part(release)}, all.Held, "commit %d", n)
	}
	require.Less(t, most, int64(2000), "bytes of the largest record")
}
