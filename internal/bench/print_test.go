package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRatiosCompareTheSameRound(t *testing.T) {
	run := func(ms, peak int64) measured {
		return measured{outcome: outcome{Succeeded: 1000}, CPU: time.Duration(ms) * time.Millisecond, Wall: time.Second, Peak: peak << 20}
	}
	// The second case uses half the CPU time of the first in each round. The last round is slow.
	all := rounds{[][]measured{
		{run(10, 8), run(20, 8), run(80, 8)},
		{run(5, 16), run(10, 16), run(40, 16)},
	}, make([]string, 2)}
	tab := table{cases: []benchCase{{name: "by hand"}, {name: "dmap"}}, targets: []target{
		{of: "dmap", figure: cpuMicros, against: "by hand", most: 0.5},
		{of: "dmap", figure: peakMiB, against: "by hand", most: 1.5},
		{of: "dmap", figure: unitsPerSecond, least: 999.9},
		{of: "dmap", figure: peakMiB, most: 15, note: "elsewhere 15"},
		{of: "dmap", figure: peakMiB, most: 17, from: 2000},
	}}
	var out bytes.Buffer
	require.NoError(t, newReport(tab, workload{N: 1000}, all).print(&out))
	require.Equal(t, `           CPU us/item  ratio  wall s  peak MiB
  by hand         20.0  1.000    1.00         8
     dmap         10.0  0.500    1.00        16
every case counted 1000 succeeded, 0 failed; ratios: to "by hand" in the same round, median of the rounds
target dmap: CPU us/item <= 0.5x of by hand: 0.5, met
target dmap: peak MiB <= 1.5x of by hand: 2, NOT met
target dmap: 1/s >= 1000: 1000, met
target dmap: peak MiB <= 15 (elsewhere 15): 16, NOT met
target dmap: peak MiB <= 17: not judged with fewer than 2000
`, out.String())
}

func TestBaseCanBeAnyCase(t *testing.T) {
	run := func(cpu time.Duration) []measured { return []measured{{outcome: outcome{Succeeded: 1}, CPU: cpu}} }
	tab := table{base: "b", figures: []figure{cpuNanos}, cases: []benchCase{{name: "a"}, {name: "b"}}}
	rep := newReport(tab, workload{N: 1}, rounds{[][]measured{run(30), run(10)}, make([]string, 2)})
	require.Equal(t, 3.0, rep.Cases[0].Ratio)
	require.Equal(t, 1.0, rep.Cases[1].Ratio)
}

func TestMedianOfAnEvenNumber(t *testing.T) {
	require.InDelta(t, 2.5, middle([]float64{4, 1, 3, 2}), 1e-9)
	require.InDelta(t, 3, middle([]float64{5, 1, 3}), 1e-9)
}

func TestFiguresArePerUnit(t *testing.T) {
	m := measured{outcome: outcome{Succeeded: 3, Failed: 1, Bytes: 8e6}, CPU: 4 * time.Second, Wall: 2 * time.Second,
		Allocs: 10, Allocated: 80, Peak: 5 << 20, Resident: 2 << 20}
	for want, f := range map[float64]figure{
		1e9: cpuNanos, 1e6: cpuMicros, 4: cpuTotal, 5e8: wallNanos, 2000: wallMillis,
		2: perCPUSecond, 3: addedMiB, 2.5: allocs, 20: allocBytes, 5: peakMiB,
	} {
		require.Equal(t, want, f.of(m, workload{}), f.name)
	}
	require.Equal(t, 4.0, perSecond.of(m, workload{}))
	require.Equal(t, 2.0, unitsPerSecond.of(m, workload{}))
	m.Units = 2
	require.Equal(t, 5.0, allocs.of(m, workload{}), "Units of the case take precedence")
	require.Equal(t, "allocs/row", allocs.title("row"))
	require.Equal(t, "MB/CPU-s", perCPUSecond.title("row"))
}

func TestProcFilesAreParsed(t *testing.T) {
	require.Equal(t, int64(20480), residentOf([]byte("100 5 3 1 0 9 0\n"), 4096))
	require.Zero(t, residentOf([]byte("100"), 4096))
	require.Zero(t, residentOf([]byte("100 x"), 4096))
	require.Equal(t, "Zen 4", cpuModel("processor: 0\nmodel name\t: Zen 4\nmodel name\t: other\n"))
	require.Empty(t, cpuModel("processor: 0\n"))
}
