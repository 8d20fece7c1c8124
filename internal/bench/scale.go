package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/usage"
	"github.com/go-dmap/dmap/sink"
)

// scale is how the cost of an item changes with the size of the work. Its items are numbers that nobody holds.
func scale() []table {
	figures := []figure{cpuNanos, wallSeconds, allocs, addedMiB, peakMiB}
	const n = 1_000_000
	discarded, compact := "results discarded", "compact results in 64 MiB parts"
	return []table{
		{
			name: "scale/items", what: "generated items, 1,000 splits: cost and memory over time", rounds: 1,
			n: n, figures: append(figures, growth), base: discarded, cases: []benchCase{
				{name: discarded, ours: true, run: toNowhere(1000, succeed, watched)},
				{name: compact, ours: true, run: toParts(succeed, watched, sink.BucketOptions{PartBytes: 64 << 20, Records: sink.Compact})},
				{name: "full results in 64 MiB parts", ours: true, most: 20_000_000, // 250 bytes each
					run: toParts(succeed, watched, sink.BucketOptions{PartBytes: 64 << 20})},
			},
			owed: []owed{
				{of: discarded, figure: growth, most: 1.1, from: 1_000_000},
				{of: compact, figure: growth, most: 1.1, from: 100_000_000},
			},
		},
		{
			name: "scale/concurrency", what: "generated items, 1,000 splits: cost by the number of calls at once", n: n, varies: true,
			figures: figures, base: "100 at once",
			cases: eachOf("%d at once", []int64{1, 10, 100, 1000, 10_000}, func(c int64) func(context.Context, workload) (outcome, error) {
				return func(ctx context.Context, work workload) (outcome, error) {
					work.Concurrency = int(c)
					return toNowhere(1000, succeed, waited)(ctx, work)
				}
			}),
		},
		{
			name: "scale/splits", what: "generated items, 100 calls at once: cost by the number of splits", n: n, varies: true, concurrency: 100,
			figures: figures, base: "100 splits",
			cases: eachOf("%d splits", []int64{1, 10, 100, 1000, 10_000, 100_000}, func(splits int64) func(context.Context, workload) (outcome, error) {
				return toNowhere(splits, succeed, waited)
			}),
		},
		{
			name: "scale/failures", what: "generated items, 100 calls at once: cost by how many fail, results discarded", n: n, varies: true, concurrency: 100,
			figures: figures, base: "0 % fail",
			cases: eachOf("%d %% fail", []int64{0, 1, 50}, func(percent int64) func(context.Context, workload) (outcome, error) {
				return toNowhere(1000, fail(percent), waited)
			}),
		},
		{
			name: "scale/failures-kept", what: "generated items, 100 calls at once: cost by how many fail, results in a folder", n: n, varies: true, concurrency: 100,
			figures: figures, base: "0 % fail",
			cases: eachOf("%d %% fail", []int64{0, 1, 50}, func(percent int64) func(context.Context, workload) (outcome, error) {
				return toParts(fail(percent), waited, sink.BucketOptions{})
			}),
		},
	}
}

// growth is the most memory of the second half of a run against that of the first.
var growth = figure{"growth", 2, false, func(m measured, _ workload) float64 {
	var most [2]int64
	for i, at := range m.Series {
		half := 2 * i / len(m.Series)
		most[half] = max(most[half], at.Resident)
	}
	if most[0] == 0 {
		return 0
	}
	return float64(most[1]) / float64(most[0])
}}

func eachOf(format string, settings []int64, run func(int64) func(context.Context, workload) (outcome, error)) []benchCase {
	var cases []benchCase
	for _, s := range settings {
		cases = append(cases, benchCase{name: fmt.Sprintf(format, s), ours: true, run: run(s)})
	}
	return cases
}

func succeed(_ context.Context, i int64) (int64, error) { return i, nil }

// errChosen is final: a retry would wait, and the wait is not what is measured.
var errChosen = dmap.Permanent(errors.New("chosen to fail"))

// fail fails so many items of each hundred.
func fail(percent int64) func(context.Context, int64) (int64, error) {
	return func(_ context.Context, i int64) (int64, error) {
		if i%100 < percent {
			return 0, errChosen
		}
		return i, nil
	}
}

// wait is how a case waits for its run.
type wait func(*dmap.Run, error) (outcome, error)

func waited(run *dmap.Run, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	return counted(run.Wait())
}

func toNowhere(splits int64, fn func(context.Context, int64) (int64, error), wait wait) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		work.start()
		return wait(dmap.Start(ctx, generated{work.N, splits}, fn, allOn(work), dmap.Sink[int64](discard[int64]{})))
	}
}

func toParts(fn func(context.Context, int64) (int64, error), wait wait, opts sink.BucketOptions) func(context.Context, workload) (outcome, error) {
	return func(ctx context.Context, work workload) (outcome, error) {
		out, err := openFolder(work.Scratch)
		if err != nil {
			return outcome{}, err
		}
		defer out.Close()
		work.start()
		return wait(dmap.Start(ctx, generated{work.N, 1000}, fn, allOn(work), sink.Bucket[int64](out, "runs/", opts)))
	}
}

// watched waits for a run and notes on the way how far it is and what it takes.
func watched(run *dmap.Run, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	var s series
	begun, cpu := time.Now(), usage.Now().CPU
	now := func() point {
		stats := run.Stats()
		return point{At: time.Since(begun), Units: stats.Succeeded + stats.Failed, Resident: resident(), CPU: usage.Now().CPU - cpu}
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for isOver := false; !isOver; {
		select {
		case <-ticker.C:
			s.tick(now)
		case <-run.Done():
			isOver = true
		}
	}
	out, err := counted(run.Wait())
	out.Series = append(s.points, now())
	return out, err
}

// series keeps 16 to 32 points of a run, evenly spaced, however long it takes: when there are too many it drops every
// other one, and from then on takes them half as often.
type series struct {
	points []point
	ticks  int
	every  int // ticks between two points; 0: 1
}

const mostPoints = 32

// tick takes a point if it is time.
func (s *series) tick(now func() point) {
	s.ticks++
	if s.ticks%max(s.every, 1) != 0 {
		return
	}
	if len(s.points) < mostPoints {
		s.points = append(s.points, now())
		return
	}
	for i := range mostPoints / 2 {
		s.points[i] = s.points[2*i+1]
	}
	s.points = s.points[:mostPoints/2]
	s.every = 2 * max(s.every, 1)
}
