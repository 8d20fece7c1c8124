package sink

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Compacted records have the groups of their commits, also where a redrive begins with one of them.
func TestCompactedRecordsHaveTheGroupsOfTheirCommits(t *testing.T) {
	for seed := range uint64(4) {
		dice := rand.New(rand.NewPCG(seed, 5))
		most := []int{1 << 20, 20_000}[seed%2] // the second is too small for all commits in one
		g := newGroups()
		want := &failgroup.Index{}
		var state commits.State
		for n := range int64(300) {
			var next commits.Extra
			if n%97 == 96 {
				want = &failgroup.Index{}
				want.Add(failureOf(dice, n))
				next = commits.Extra{Groups: runfolder.StoredGroups(want), Regrouped: true}
				g.replace(runfolder.IndexOf(next.Groups))
			} else {
				for range dice.IntN(3) {
					f := failureOf(dice, n)
					g.add([]failgroup.Failure{f})
					want.Add(f)
				}
				g.barrier()
				next.Groups = g.next()
			}
			content, after, err := state.Encode("w", journal.Commit{Number: n}, next, most)
			require.NoError(t, err)
			g.promoteStaged()
			state = after
			state[len(state)-1].CommitRecord, err = runfolder.DecodeCommit(t.Context(), content, n)
			require.NoError(t, err)
			got := runfolder.CommittedGroups(state.Records())
			require.Equal(t, want.Groups(), got.Groups(), "seed %d commit %d", seed, n)
			require.Equal(t, runfolder.StoredGroups(want), g.all(true))
		}
	}
}

func failureOf(dice *rand.Rand, n int64) failgroup.Failure {
	key := fmt.Sprintf("a/%d", dice.IntN(9))
	return failgroup.Failure{
		Class: "error", Text: []string{"bad", "worse", "worst"}[dice.IntN(3)], Key: key, ID: fmt.Sprintf("%s@%d", key, n),
		Attempts: 1, At: time.Unix(1e9+n, 0).UTC(),
	}
}
