package sink

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
)

// commitOf makes commit n of a run of several processes, some of which announce what they try.
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

func TestFoldsSayWhatTheirCommitsSay(t *testing.T) {
	for seed := range uint64(5) {
		dice := rand.New(rand.NewPCG(seed, 3))
		var f folds
		var want journal.Progress
		for n := range int64(700) {
			c := commitOf(dice, n)
			want.Apply(c)
			record, stay := f.record(c)
			content, err := encodeCommit("w", record)
			require.NoError(t, err)
			stored, err := decodeCommit(content, n)
			require.NoError(t, err)
			f = append(f[:stay], stored)
			if n%13 > 0 && n < 690 {
				continue
			}
			got := f.progress()
			require.Equal(t, want.Number, got.Number)
			require.Equal(t, want.Settled, got.Settled)
			require.Equal(t, want.Counts, got.Counts)
			require.Equal(t, want.States, got.States)
			require.Equal(t, want.Clean, got.Clean)
			require.Equal(t, open(want), open(got))
		}
	}
}

// open are the trials that count: those of items that have not settled.
func open(p journal.Progress) map[journal.Interval]journal.Trial {
	p.Apply(journal.Commit{Trying: []journal.Trial{}, Back: []journal.Interval{{Split: "none"}}}) // drops the others
	trials := map[journal.Interval]journal.Trial{}
	for _, trial := range p.Trials {
		trials[trial.Item] = trial
	}
	return trials
}

// 100,000 commits of a part each: what a resume reads, and what has been written in all.
func TestManyCommitsAreFewRecordsToReadAndNotWrittenOftenAgain(t *testing.T) {
	const n = 100_000
	state := json.RawMessage(`{"SUCCEEDED":[{"Key":"out/r/SUCCEEDED_ABCDEFGHIJKLMNOP-000001.jsonl","Size":1048576,"Records":1000}]}`)
	var f folds
	var written, states, most int
	for i := range int64(n) {
		record, stay := f.record(journal.Commit{
			Number: i, Settled: []journal.Interval{{Split: "s", From: journal.Cursor{Offset: i}, To: journal.Cursor{Offset: i + 1}}},
			States: map[string]json.RawMessage{"0": state},
		})
		f = append(f[:stay], record)
		written += len(record.States["0"])
		require.Len(t, record.Settled, 1)
		most = max(most, len(f))
	}
	for _, o := range f {
		states += len(o.States["0"])
	}
	require.Equal(t, n, states)
	t.Logf("%d commits: at most %d records to read; each commit written %.1f times", n, most, float64(written)/n)
	require.LessOrEqual(t, most, 100)
	require.LessOrEqual(t, written, 5*n)
}

func TestNamesOfCommitsCountDown(t *testing.T) {
	before := commitName(0)
	for _, n := range []int64{1, 9, 10, 99, 100, 12345, lastCommit} {
		name := commitName(n)
		require.Less(t, name, before)
		got, ok := commitNumber(name)
		require.True(t, ok)
		require.Equal(t, n, got)
		before = name
	}
	for _, name := range []string{"", "x", "-", "999999999999-1.json", "999999999999-0.json.tmp", "999999999999-0.json.attrs", "-1.json", "1-999999999998.json"} {
		_, ok := commitNumber(name)
		require.False(t, ok, name)
	}
}

func FuzzACommitIsReadBackOrRefused(f *testing.F) {
	good, err := encodeCommit("w", foldOf(journal.Commit{Number: 3, Settled: []journal.Interval{{Split: "s"}}}))
	require.NoError(f, err)
	f.Add(good, 0, byte(0))
	f.Add(good[:len(good)-1], 5, byte(1))
	f.Add([]byte("{}\n{}\n"), 1, byte('x'))
	f.Fuzz(func(t *testing.T, content []byte, at int, flip byte) {
		_, _ = decodeCommit(content, 3)
		damaged := append([]byte{}, good...)
		damaged[max(at, -at-1)%len(damaged)] ^= flip
		got, err := decodeCommit(damaged, 3)
		if err == nil {
			want, _ := decodeCommit(good, 3)
			require.Equal(t, want, got)
		}
	})
}
