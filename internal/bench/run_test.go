package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChildPrintsItsMeasurement(t *testing.T) {
	var data []byte
	tab := table{name: "t", cases: []benchCase{{name: "a", run: func(_ context.Context, work workload) (outcome, error) {
		data = make([]byte, 32<<20)
		work.start()
		defer work.stop()
		return outcome{Succeeded: work.N, Counts: map[string]float64{"requests": 2}, Series: []point{{At: time.Second, Units: 3}}}, nil
	}}}}
	work, err := json.Marshal(workload{N: 7})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, runChild(t.Context(), &out, tab, "a", string(work)))
	var m measured
	require.NoError(t, json.Unmarshal(out.Bytes(), &m))
	require.Equal(t, int64(7), m.Succeeded)
	require.Equal(t, 2.0, countOf("requests").of(m, workload{}))
	require.Equal(t, []point{{At: time.Second, Units: 3}}, m.Series)
	require.Less(t, m.Allocated, int64(len(data)), "allocations before start are not measured")
	require.ErrorContains(t, runChild(t.Context(), &out, tab, "b", string(work)), `no case "b"`)
	require.ErrorContains(t, runChild(t.Context(), &out, tab, "a", "{"), "-child")
}

func TestFailedCaseIsSkippedInLaterRounds(t *testing.T) {
	tab := table{name: "t", unit: "row", cases: []benchCase{
		{name: "good"}, {name: "crashes"}, {name: "miscounts"}, {name: "slow", most: 5},
	}}
	calls := map[string]int{}
	run := func(_ context.Context, tableName, name string, work workload) (measured, error) {
		calls[name]++
		switch {
		case name == "crashes":
			return measured{}, errors.New("exit status 2: fatal error: stack overflow")
		case name == "miscounts" && calls[name] == 2:
			return measured{outcome: outcome{Succeeded: 9}, CPU: 1}, nil
		}
		return measured{outcome: outcome{Succeeded: 10}, CPU: 1000}, nil
	}
	work := workload{N: 10}
	all, err := runRounds(t.Context(), tab, work, 3, run)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"good": 3, "crashes": 1, "miscounts": 2}, calls)
	rep := newReport(tab, work, all)
	var out bytes.Buffer
	require.NoError(t, rep.print(&out))
	require.Equal(t, `        CPU us/row  ratio  wall s  peak MiB
  good         0.1  1.000    0.00         0
crashes: exit status 2: fatal error: stack overflow
miscounts: counted 9 succeeded and 0 failed, but another case 10 and 0
slow: left out: too slow for more than 5
every case counted 10 succeeded, 0 failed; ratios: to "good" in the same round, median of the rounds
`, out.String())
	require.NoError(t, rep.failedCases(), "a crash of a peer is not an error")
	rep.Cases[1].Ours = true
	require.ErrorContains(t, rep.failedCases(), "t: crashes: exit status 2")
	rep.Cases[1].LeftOut = true
	require.NoError(t, rep.failedCases())
}

func TestRatiosNeedAMeasuredBase(t *testing.T) {
	tab := table{name: "t", cases: []benchCase{{name: "a"}, {name: "b"}}, targets: []target{{of: "b", figure: cpuNanos, against: "a", most: 1}}}
	all := rounds{[][]measured{nil, {{outcome: outcome{Succeeded: 1}, CPU: 5000}}}, []string{"exit status 1", ""}}
	var out bytes.Buffer
	require.NoError(t, newReport(tab, workload{N: 1}, all).print(&out))
	require.Contains(t, out.String(), "b          5.0      -")
	require.Contains(t, out.String(), "target b: CPU ns/item <= 1x of a: not measured")
}

func TestCasesFlagSelectsCases(t *testing.T) {
	tab := table{name: "t", base: "a", cases: []benchCase{{name: "a"}, {name: "b one"}, {name: "b two"}}, targets: []target{{of: "b two", figure: cpuNanos, against: "a", most: 1}}}
	only := tab.only(regexp.MustCompile("^b"))
	require.Len(t, only.cases, 2)
	require.Len(t, tab.cases, 3)
	all, err := runRounds(t.Context(), only, workload{N: 1}, 1, func(context.Context, string, string, workload) (measured, error) {
		return measured{outcome: outcome{Succeeded: 1}, CPU: 5}, nil
	})
	require.NoError(t, err)
	require.Equal(t, notMeasured, newReport(only, workload{N: 1}, all).Targets[0].None)
	_, err = runTable(t.Context(), io.Discard, tab.only(regexp.MustCompile("c")), small)
	require.ErrorContains(t, err, "no case")
}

func TestFlagsAndNamesInAnyOrder(t *testing.T) {
	for _, args := range [][]string{{"job", "-n", "5", "durability"}, {"-n", "5", "job", "durability"}, {"-job", "-durability", "-n", "5"}} {
		set, err := parse(args)
		require.NoError(t, err)
		require.Equal(t, []string{"job", "durability"}, set.names)
		require.Equal(t, int64(5), set.n)
	}
	all := []table{{name: "a/x"}, {name: "b"}, {name: "a/y"}, {name: "ab"}}
	chosen, err := choose(all, []string{"b", "a"})
	require.NoError(t, err)
	require.Equal(t, []table{{name: "b"}, {name: "a/x"}, {name: "a/y"}}, chosen)
	chosen, err = choose(all, []string{"all"})
	require.NoError(t, err)
	require.Equal(t, all, chosen)
	_, err = choose(all, []string{"c"})
	require.ErrorContains(t, err, `no table "c"`)
}

// TestMain lets the test binary act as the process of a case, like the command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-case" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestOneRoundThroughProcesses(t *testing.T) {
	set := small
	set.out, set.charts, set.profile = t.TempDir(), t.TempDir(), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, show(t.Context(), &out, job, set))
	require.Contains(t, out.String(), "1200 items, 16 calls at once, 1 rounds\n")
	require.Contains(t, out.String(), "every case counted ")
	data, err := os.ReadFile(filepath.Join(set.out, "job.json"))
	require.NoError(t, err)
	var rep report
	require.NoError(t, json.Unmarshal(data, &rep))
	require.Len(t, rep.Cases, len(job.cases))
	for _, c := range rep.Cases {
		require.Positive(t, c.Runs[0].CPU, c.Name)
		require.Positive(t, c.Runs[0].Peak, c.Name)
		require.Positive(t, c.Runs[0].Allocs, c.Name)
	}
	require.FileExists(t, filepath.Join(set.profile, "job-dmap.Map.pprof"))
	drawn, err := os.ReadFile(filepath.Join(set.charts, "job-light.svg"))
	require.NoError(t, err)
	require.NoError(t, redraw(set.out, set.charts))
	again, err := os.ReadFile(filepath.Join(set.charts, "job-light.svg"))
	require.NoError(t, err)
	require.Equal(t, string(drawn), string(again))
}

func TestErrorOfAChildProcessIsReturned(t *testing.T) {
	_, err := spawn(t.Context(), job.name, "no such", workload{N: 1})
	require.ErrorContains(t, err, `exit status 1: bench: no case "no such"`)
}
