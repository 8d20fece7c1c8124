package commits

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/testsize"
)

// commitOf makes commit n of a run of several processes, some of which announce their calls.
func commitOf(dice *rand.Rand, n int64) journal.Commit {
	at := dice.Int64N(1000)
	v := journal.Interval{Split: fmt.Sprint(dice.IntN(3)), From: journal.Cursor{Offset: at}, To: journal.Cursor{Offset: at + 1 + dice.Int64N(20)}}
	trial := journal.Trial{Item: v, ID: v.Split, Live: true, Single: dice.IntN(2) == 0}
	switch dice.IntN(12) {
	case 0:
		return journal.Commit{Number: n, Begins: true, Stuck: dice.IntN(3) == 0}
	case 1:
		return journal.Commit{Number: n, Clean: true}
	case 2, 3:
		return journal.Commit{Number: n, Trying: []journal.Trial{trial}}
	case 4:
		return journal.Commit{Number: n, Alone: true, Trying: []journal.Trial{trial}}
	case 5:
		return journal.Commit{Number: n, Alone: true}
	}
	return journal.Commit{
		Number: n, Settled: []journal.Interval{v}, Counts: journal.Counts{Read: 3, Succeeded: 2, Failed: 1},
		States: map[string]json.RawMessage{"0": json.RawMessage(fmt.Sprint(n))},
	}
}

func TestCompactedRecordsEqualTheirCommits(t *testing.T) {
	for seed := range uint64(testsize.Sizes{Race: 2, Usual: 6}.Now()) {
		dice := rand.New(rand.NewPCG(seed, 3))
		most := []int{1 << 20, 4000}[seed%2] // the second is too small for all commits in one
		var state State
		var want journal.Progress
		apart := 0
		for n := range int64(700) {
			c := commitOf(dice, n)
			want.Apply(c)
			content, next, err := state.Encode("w", c, Extra{}, most)
			require.NoError(t, err)
			stored, err := runfolder.DecodeCommit(t.Context(), content, n)
			require.NoError(t, err)
			state = next
			state[len(state)-1].CommitRecord = stored
			if stored.From > runfolder.FirstOf(n) {
				apart++
			}
			if n%13 > 0 && n < 690 {
				continue
			}
			got := state.Progress()
			require.Equal(t, want.Number, got.Number)
			require.Equal(t, want.Settled, got.Settled)
			require.Equal(t, want.Counts, got.Counts)
			require.Equal(t, want.States, got.States)
			require.Equal(t, want.Clean, got.Clean)
			require.Equal(t, open(want), open(got), "commit %d", n)
			require.True(t, got.Moved || !want.Moved)
		}
		require.Equal(t, most < 1<<20, apart > 0)
	}
}

// open is what is known of each unsettled item, by its position: a chunk may have other ends.
func open(p journal.Progress) map[string]journal.Trial {
	items := map[string]journal.Trial{}
	settled := journal.NewIntervalSet(p.Settled)
	for _, trial := range p.OpenTrials() {
		for at := trial.Item.From.Offset; at < trial.Item.To.Offset; at++ {
			v := trial.Item
			v.From.Offset, v.To.Offset = at, at+1
			known := journal.Trial{Crashes: trial.Crashes, Alone: trial.Alone, Suspect: trial.Suspect, Live: trial.Live, Single: trial.Single}
			if key := fmt.Sprint(v.Split, at, trial.Live); !settled.Has(v) && known != items[key] {
				if before := items[key]; before.Live {
					known.Single = known.Single || before.Single
				}
				items[key] = known
			}
		}
	}
	return items
}

// A run of processes that are killed every few seconds announces items again and again. Records of
// many commits hold only what is still open.
func TestCompactedRecordsDoNotGrowWithCrashes(t *testing.T) {
	var state State
	most := 0
	var number int64
	add := func(c journal.Commit) {
		c.Number = number
		number++
		content, next, err := state.Encode("w", c, Extra{}, MaxBytes)
		require.NoError(t, err)
		state, most = next, max(most, len(content))
	}
	span := func(from, to int64) journal.Interval {
		return journal.Interval{Split: "s", From: journal.Cursor{Offset: from}, To: journal.Cursor{Offset: to}}
	}
	for process := range int64(testsize.Sizes{Race: 500, Usual: 3000}.Now()) {
		add(journal.Commit{Begins: true})
		for window := range int64(2) {
			var c journal.Commit
			for k := range int64(50) {
				c.Trying = append(c.Trying, journal.Trial{Item: span(process*100+window*50+k, process*100+window*50+k+1), ID: "x"})
			}
			add(c)
			add(journal.Commit{Settled: []journal.Interval{span(process*100+window*50, process*100+window*50+50)}})
		}
	}
	require.Less(t, most, 20<<10)
	require.Len(t, state.Progress().Settled, 1)
}

// A resume reads few records after 100,000 commits of one part each, and each commit was written
// few times.
func TestCompactionBoundsReadsAndWrites(t *testing.T) {
	n := testsize.Sizes{Race: 10_000, Usual: 100_000}.Now()
	part := json.RawMessage(`{"SUCCEEDED":[{"Key":"out/r/SUCCEEDED_ABCDEFGHIJKLMNOP-000001.jsonl","Size":1048576,"Records":1000}]}`)
	var state State
	var written, states, most int
	for i := range int64(n) {
		record, keep := state.compacted(journal.Commit{
			Number: i, Settled: []journal.Interval{{Split: "s", From: journal.Cursor{Offset: i}, To: journal.Cursor{Offset: i + 1}}},
			States: map[string]json.RawMessage{"0": part},
		}, Extra{}, runfolder.Spans(i)[0])
		state = append(state[:keep], segment{record, 0})
		written += len(record.States["0"])
		require.Len(t, record.Settled, 1)
		most = max(most, len(state))
	}
	for _, o := range state {
		states += len(o.States["0"])
	}
	require.Equal(t, n, states)
	t.Logf("%d commits: at most %d records to read; each commit written %.1f times", n, most, float64(written)/float64(n))
	require.LessOrEqual(t, most, 100)
	require.LessOrEqual(t, written, 5*n)
}
