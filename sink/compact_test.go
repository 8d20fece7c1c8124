package sink

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// commitOf makes commit n of a run of several processes, some of which announce their calls.
func commitOf(dice *rand.Rand, n int64) journal.Commit {
	at := dice.Int64N(1000)
	v := journal.Interval{Split: fmt.Sprint(dice.IntN(3)), From: journal.Cursor{Offset: at}, To: journal.Cursor{Offset: at + 1 + dice.Int64N(20)}}
	switch dice.IntN(12) {
	case 0:
		return journal.Commit{Number: n, Begins: true}
	case 1:
		return journal.Commit{Number: n, Clean: true}
	case 2:
		return journal.Commit{Number: n, Trying: []journal.Trial{{Item: v, ID: v.Split, Live: true}}}
	case 3:
		return journal.Commit{Number: n, Back: []journal.Interval{v}}
	}
	return journal.Commit{
		Number: n, Settled: []journal.Interval{v}, Counts: journal.Counts{Read: 3, Succeeded: 2, Failed: 1},
		States: map[string]json.RawMessage{"0": json.RawMessage(fmt.Sprint(n))},
	}
}

func TestCompactedRecordsEqualTheirCommits(t *testing.T) {
	for seed := range uint64(5) {
		dice := rand.New(rand.NewPCG(seed, 3))
		var state journalState
		var want journal.Progress
		for n := range int64(700) {
			c := commitOf(dice, n)
			want.Apply(c)
			record, keep := state.compacted(c)
			content, err := runfolder.EncodeCommit("w", record)
			require.NoError(t, err)
			stored, err := runfolder.DecodeCommit(content, n)
			require.NoError(t, err)
			state = append(state[:keep], stored)
			if n%13 > 0 && n < 690 {
				continue
			}
			got := state.progress()
			require.Equal(t, want.Number, got.Number)
			require.Equal(t, want.Settled, got.Settled)
			require.Equal(t, want.Counts, got.Counts)
			require.Equal(t, want.States, got.States)
			require.Equal(t, want.Clean, got.Clean)
			require.Equal(t, open(want), open(got))
		}
	}
}

// open are the trials of items that have not settled.
func open(p journal.Progress) map[journal.Interval]journal.Trial {
	p.Apply(journal.Commit{Trying: []journal.Trial{}, Back: []journal.Interval{{Split: "none"}}}) // drops the others
	trials := map[journal.Interval]journal.Trial{}
	for _, trial := range p.Trials {
		trials[trial.Item] = trial
	}
	return trials
}

// A resume reads few records after 100,000 commits of one part each, and each commit was written
// few times.
func TestCompactionBoundsReadsAndWrites(t *testing.T) {
	const n = 100_000
	part := json.RawMessage(`{"SUCCEEDED":[{"Key":"out/r/SUCCEEDED_ABCDEFGHIJKLMNOP-000001.jsonl","Size":1048576,"Records":1000}]}`)
	var state journalState
	var written, states, most int
	for i := range int64(n) {
		record, keep := state.compacted(journal.Commit{
			Number: i, Settled: []journal.Interval{{Split: "s", From: journal.Cursor{Offset: i}, To: journal.Cursor{Offset: i + 1}}},
			States: map[string]json.RawMessage{"0": part},
		})
		state = append(state[:keep], record)
		written += len(record.States["0"])
		require.Len(t, record.Settled, 1)
		most = max(most, len(state))
	}
	for _, o := range state {
		states += len(o.States["0"])
	}
	require.Equal(t, n, states)
	t.Logf("%d commits: at most %d records to read; each commit written %.1f times", n, most, float64(written)/n)
	require.LessOrEqual(t, most, 100)
	require.LessOrEqual(t, written, 5*n)
}
