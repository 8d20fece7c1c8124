package commits

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Records of many commits hold the newest edits and the latest tolerance of their commits.
func TestCompactedRecordsHaveTheNewestEdits(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var state State
	var want journal.Edits
	var tolerance journal.Tolerance
	largest := 0
	made := 0
	for n := range int64(600) {
		c := journal.Commit{Number: n}
		for range dice.IntN(4) * dice.IntN(60) { // as the engine does
			made++
			at := time.Unix(int64(made), 0).UTC()
			c.Edits.Add(journal.Edits{Count: 1, Newest: []journal.Edit{{At: at, Setting: "Rate", From: "no limit", To: strconv.Itoa(made)}}})
		}
		if dice.IntN(20) == 0 {
			tolerance = journal.Tolerance{Count: n, Percentage: 0.5}
			c.Tolerance = &tolerance
		}
		want.Add(c.Edits)
		content, next, err := state.Encode("w", c, Extra{}, MaxBytes)
		require.NoError(t, err)
		largest = max(largest, len(content))
		stored, err := runfolder.DecodeCommit(t.Context(), content, n)
		require.NoError(t, err)
		state = next
		state[len(state)-1].CommitRecord = stored
		require.Equal(t, StoredEdits(want), runfolder.CommittedEdits(state.Records()))
		if got := runfolder.CommittedTolerance(state.Records()); tolerance != (journal.Tolerance{}) {
			require.Equal(t, (*runfolder.Tolerance)(&tolerance), got)
		}
	}
	require.Greater(t, made, 10_000)
	require.Less(t, largest, 16<<10, "no record grows with edits")
}

func TestEditsOfARecordAreStoredWithMicroseconds(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("x", 3600))
	e := StoredEdits(journal.Edits{Count: 7, Newest: []journal.Edit{{At: at, Setting: "Paused", From: "false", To: "true"}}})
	require.Equal(t, "&{7 [{2026-01-02 02:04:05.000006 +0000 UTC Paused false true}]}", fmt.Sprint(e))
	require.Nil(t, StoredEdits(journal.Edits{}))
}
