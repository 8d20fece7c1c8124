package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

const defaultRounds = 5

// rounds holds the results of all rounds of a table: by case, then by round.
type rounds struct {
	runs     [][]measured
	failures []string // by case; empty: the case succeeded
}

// runTable prepares the data, runs all cases in each round, and reports the medians.
func runTable(ctx context.Context, w io.Writer, t table, set settings) (report, error) {
	return runTableWith(ctx, w, t, set, spawn)
}

// runner runs one case of a table.
type runner func(ctx context.Context, table, name string, work workload) (measured, error)

// runTableWith is runTable with another runner.
func runTableWith(ctx context.Context, w io.Writer, t table, set settings, run runner) (report, error) {
	dir, err := os.MkdirTemp("", "dmap-bench-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	work := workload{
		Dir: dir, N: cmp.Or(set.n, t.n), Batch: t.batch, Profile: set.profile,
		Concurrency: cmp.Or(t.concurrency, set.concurrency),
	}
	if len(t.cases) == 0 {
		return report{}, errors.New("no case matches -cases")
	}
	count := cmp.Or(set.rounds, t.rounds, defaultRounds)
	if err := heading(w, t, work, count); err != nil {
		return report{}, err
	}
	if t.prepare != nil {
		if err := t.prepare(ctx, dir, work.N); err != nil {
			return report{}, err
		}
	}
	all, err := runRounds(ctx, t, work, count, run)
	if err != nil {
		return report{}, err
	}
	return newReport(t, work, all), nil
}

// runRounds calls run for each case and round. If a case fails, its later rounds are skipped and
// the other cases continue. That is not an error of runRounds.
func runRounds(ctx context.Context, t table, work workload, count int, run runner) (rounds, error) {
	all := rounds{make([][]measured, len(t.cases)), make([]string, len(t.cases))}
	var same *outcome
	for round := range count {
		for i := range t.cases {
			c := (i + round) % len(t.cases) // a different case is first in each round
			if t.cases[c].isLeftOut(work.N) {
				all.failures[c] = fmt.Sprintf("left out: too slow for more than %d", t.cases[c].most)
			}
			if all.failures[c] != "" {
				continue
			}
			m, err := run(ctx, t.name, t.cases[c].name, work)
			if ctx.Err() != nil {
				return all, context.Cause(ctx)
			}
			if err == nil && same != nil && !t.varies && (m.Succeeded != same.Succeeded || m.Failed != same.Failed) {
				err = fmt.Errorf("counted %d succeeded and %d failed, but another case %d and %d",
					m.Succeeded, m.Failed, same.Succeeded, same.Failed)
			}
			if err != nil {
				all.failures[c] = err.Error()
				continue
			}
			same = &m.outcome
			all.runs[c] = append(all.runs[c], m)
		}
	}
	return all, nil
}

// spawn runs one case of a table in a process of its own, with an empty folder for its results.
func spawn(ctx context.Context, tableName, name string, work workload) (measured, error) {
	self, err := os.Executable()
	if err != nil {
		return measured{}, err
	}
	return spawnOf(ctx, self, tableName, name, work)
}

// spawnOf is spawn for a binary of this command.
func spawnOf(ctx context.Context, binary, tableName, name string, work workload) (measured, error) {
	scratch, err := os.MkdirTemp("", "dmap-bench-out-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(scratch)
	work.Scratch = scratch
	workJSON, err := json.Marshal(work)
	if err != nil {
		return measured{}, err
	}
	cmd := exec.CommandContext(ctx, binary, "-case", name, "-child", string(workJSON), tableName)
	var stderr bytes.Buffer
	cmd.Stderr = io.MultiWriter(os.Stderr, &stderr)
	out, err := cmd.Output()
	if err != nil {
		line, _, _ := strings.Cut(stderr.String(), "\n") // after a crash, the other lines are stacks
		return measured{}, fmt.Errorf("%w: %s", err, line)
	}
	var m measured
	if err := json.Unmarshal(out, &m); err != nil {
		return measured{}, fmt.Errorf("output %q: %w", out, err)
	}
	return m, nil
}

// runChild runs one case and writes its measurement to w.
func runChild(ctx context.Context, w io.Writer, t table, name, workJSON string) error {
	var work workload
	if err := json.Unmarshal([]byte(workJSON), &work); err != nil {
		return fmt.Errorf("-child: %w", err)
	}
	i := t.index(name)
	if i < 0 {
		return fmt.Errorf("no case %q", name)
	}
	endProfile, err := profile(work.Profile, t.name+" "+name)
	if err != nil {
		return fmt.Errorf("-profile: %w", err)
	}
	m, err := measure(ctx, t.cases[i], work)
	endProfile()
	if err != nil {
		return fmt.Errorf("%s: %s: %w", t.name, name, err)
	}
	return json.NewEncoder(w).Encode(m)
}

func measure(ctx context.Context, c benchCase, work workload) (measured, error) {
	work.meter = new(meter)
	work.start()
	out, err := c.run(ctx, work)
	work.stop()
	if err != nil {
		return measured{}, err
	}
	m := *work.meter.end
	m.outcome = out
	return m, nil
}

// profile starts a CPU profile in dir. The file is named after the case. If dir is empty, it does
// nothing.
func profile(dir, name string) (end func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-", ",", "").Replace(name)+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		file.Close()
	}, nil
}
