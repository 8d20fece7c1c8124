package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryCaseOfATableDoesTheSameWork(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, makeApplications(t.Context(), dir, 1100))
	for _, table := range []table{job, durability} {
		var first outcome
		for i, c := range table.cases {
			t.Run(table.name+"/"+c.name, func(t *testing.T) {
				got, err := c.run(t.Context(), workload{Dir: dir, Scratch: t.TempDir(), N: 1100, Concurrency: 16})
				require.NoError(t, err)
				require.Equal(t, int64(1100), got.Succeeded+got.Failed)
				require.Positive(t, got.Failed)
				if i == 0 {
					first = got
				}
				require.Equal(t, first, got)
			})
		}
	}
}

func TestOnlyTheJournalMakesCommits(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, makeApplications(t.Context(), dir, 100))
	for i, isOn := range []bool{false, true} {
		scratch := t.TempDir()
		_, err := durability.cases[i].run(t.Context(), workload{Dir: dir, Scratch: scratch, N: 100, Concurrency: 16})
		require.NoError(t, err)
		commits, err := filepath.Glob(filepath.Join(scratch, "runs", "*", "commits", "*"))
		require.NoError(t, err)
		require.Equal(t, isOn, len(commits) > 0, durability.cases[i].name)
	}
}

func TestACaseThatCannotReadFails(t *testing.T) {
	work := workload{Dir: t.TempDir() + "/missing", Scratch: t.TempDir(), N: 1, Concurrency: 1}
	for _, c := range slices.Concat(job.cases, durability.cases) {
		_, err := c.run(t.Context(), work)
		require.Error(t, err, c.name)
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	run := func(ms, peak int64) measured {
		return measured{outcome{1, 0}, time.Duration(ms) * time.Millisecond, time.Second, peak << 20}
	}
	// The second case always takes half of the first, though all of the last round took longer.
	runs := [][]measured{
		{run(10, 8), run(20, 8), run(80, 8)},
		{run(5, 16), run(10, 16), run(40, 16)},
	}
	var out bytes.Buffer
	require.NoError(t, printTable(&out, table{n: 1000, cases: []benchCase{{name: "by hand"}, {name: "dmap"}}}, runs))
	require.Equal(t, `           CPU us/item  ratio  wall s  peak MiB  ratio
  by hand         20.0  1.000    1.00         8   1.00
     dmap         10.0  0.500    1.00        16   2.00
every case counted 1 succeeded, 0 failed; ratios are to the first line, round by round
`, out.String())
}

func TestTheMiddleOfAnEvenNumberIsBetween(t *testing.T) {
	require.InDelta(t, 2.5, middle([]float64{4, 1, 3, 2}), 1e-9)
	require.InDelta(t, 3, middle([]float64{5, 1, 3}), 1e-9)
}
