package main

import (
	"cmp"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

// small is the size of each table in tests. Tables in MiB use mebibytes instead. Tables that list
// no keys do with fewer items, as no page size matters, and tables of reads with still fewer: each
// of their items is an object.
var (
	small     = settings{n: 1200, rounds: 1, concurrency: 16}
	fewItems  = testsize.Sizes{Usual: 400, Long: 1200}
	fewReads  = testsize.Sizes{Usual: 100, Long: 300}
	mebibytes = int64(2)
)

func TestAllCasesOfATableAgree(t *testing.T) {
	families := map[string]bool{}
	for _, table := range tables() {
		t.Run(table.name, func(t *testing.T) {
			family, _, _ := strings.Cut(table.name, "/")
			isFirst := !families[family]
			families[family] = true
			switch {
			case testsize.Long():
			case testing.Short() && !isFirst:
				t.Skip("-short tests the first table of a family")
			case testsize.RaceDetector && !isFirst:
				t.Skip("make test runs the other tables of a family without the race detector")
			case strings.HasSuffix(table.name, "-200ms"):
				t.Skip("make long tests it; only its latency differs from the table of 50 ms")
			}
			n := small.n
			switch {
			case table.unit == "MiB":
				n = mebibytes
			case family == "reads":
				n = int64(fewReads.Now())
			case family != "listing" && family != "folders":
				n = int64(fewItems.Now())
			}
			work := workload{Dir: t.TempDir(), N: n, Concurrency: cmp.Or(table.concurrency, small.concurrency), Batch: table.batch}
			if table.prepare != nil {
				require.NoError(t, table.prepare(t.Context(), work.Dir, work.N))
			}
			var first outcome
			for i, c := range table.cases {
				if c.mayCrash {
					_, err := spawn(t.Context(), table.name, c.name, work)
					t.Log(c.name, err)
					continue
				}
				work.Scratch = t.TempDir()
				m, err := measure(t.Context(), c, work)
				require.NoError(t, err, c.name)
				require.Positive(t, m.Succeeded, c.name)
				require.Positive(t, m.Wall, c.name)
				if i == 0 {
					first = m.outcome
				}
				if table.varies {
					continue
				}
				require.Equal(t, [2]int64{first.Succeeded, first.Failed}, [2]int64{m.Succeeded, m.Failed}, c.name)
			}
		})
	}
}

func TestTablesAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, table := range tables() {
		require.False(t, names[table.name], table.name)
		names[table.name] = true
		require.NotEmpty(t, table.what)
		require.Positive(t, table.n, table.name)
		cases := map[string]bool{}
		for _, c := range table.cases {
			require.False(t, cases[c.name], "%s: %s", table.name, c.name)
			cases[c.name] = true
		}
		if table.base != "" {
			require.True(t, cases[table.base], "%s: base %s", table.name, table.base)
		}
		for _, o := range table.targets {
			require.True(t, cases[o.of], "%s: target of %s", table.name, o.of)
			require.True(t, o.against == "" || cases[o.against], "%s: target against %s", table.name, o.against)
			require.NotEqual(t, o.most > 0, o.least > 0, "%s: target of %s", table.name, o.of)
		}
	}
}

func TestSomeItemsOfTheJobFail(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, makeApplications(t.Context(), dir, 1100))
	for _, c := range job.cases {
		out, err := c.run(t.Context(), workload{Dir: dir, Scratch: t.TempDir(), N: 1100, Concurrency: 16})
		require.NoError(t, err)
		require.Equal(t, int64(1100), out.Succeeded+out.Failed)
		require.Positive(t, out.Failed, c.name)
	}
}

func TestOnlyTheJournalWritesCommits(t *testing.T) {
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

func TestMissingInputIsAnError(t *testing.T) {
	work := workload{Dir: t.TempDir() + "/missing", Scratch: t.TempDir(), N: 1, Concurrency: 1}
	for _, table := range []table{job, durability} {
		for _, c := range table.cases {
			_, err := c.run(t.Context(), work)
			require.Error(t, err, c.name)
		}
	}
}
