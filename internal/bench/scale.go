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

// scale measures how the cost of an item depends on the size of the run. Its items are generated
// numbers.
func scale() []table {
	figures := []figure{cpuNanos, wallSeconds, allocs, addedMiB, peakMiB}
	const n = 1_000_000
	discarded, compact := "results discarded", "compact results in 64 MiB parts"
	return []table{
		{
			name: "scale/items", what: "generated items, 1,000 splits: cost and memory over time", rounds: 1,
			n: n, figures: append(figures, growth), base: discarded, cases: []benchCase{
				{name: discarded, ours: true, run: toNowhere(1000, succeed, waitAndSample)},
				{name: compact, ours: true, run: toParts(succeed, waitAndSample, sink.BucketOptions{PartBytes: 64 << 20, Records: sink.Compact})},
				{name: "full results in 64 MiB parts", ours: true, most: 20_000_000, // each takes 250 bytes on disk
					run: toParts(succeed, waitAndSample, sink.BucketOptions{PartBytes: 64 << 20})},
			},
			targets: []target{
				{of: discarded, figure: growth, most: 1.1, from: 1_000_000},
				{of: compact, figure: growth, most: 1.1, from: 100_000_000},
			},
		},
		{
			name: "scale/concurrency", what: "generated items, 1,000 splits: cost by the number of concurrent calls", n: n, varies: true,
			figures: figures, base: "100 at once",
			cases: eachOf("%d at once", []int64{1, 10, 100, 1000, 10_000}, func(c int64) func(context.Context, workload) (outcome, error) {
				return func(ctx context.Context, work workload) (outcome, error) {
					work.Concurrency = int(c)
					return toNowhere(1000, succeed, waitOnly)(ctx, work)
				}
			}),
		},
		{
			name: "scale/splits", what: "generated items, 100 calls at once: cost by the number of splits", n: n, varies: true, concurrency: 100,
			figures: figures, base: "100 splits",
			cases: eachOf("%d splits", []int64{1, 10, 100, 1000, 10_000, 100_000}, func(splits int64) func(context.Context, workload) (outcome, error) {
				return toNowhere(splits, succeed, waitOnly)
			}),
		},
		{
			name: "scale/failures", what: "generated items, 100 calls at once: cost by the share of failures, results discarded", n: n, varies: true, concurrency: 100,
			figures: figures, base: "0 % fail",
			cases: eachOf("%d %% fail", []int64{0, 1, 50}, func(percent int64) func(context.Context, workload) (outcome, error) {
				return toNowhere(1000, fail(percent), waitOnly)
			}),
		},
		{
			name: "scale/failures-kept", what: "generated items, 100 calls at once: cost by the share of failures, results in a folder",
			n: n, varies: true, concurrency: 100,
			figures: figures, base: "0 % fail",
			cases: eachOf("%d %% fail", []int64{0, 1, 50}, func(percent int64) func(context.Context, workload) (outcome, error) {
				return toParts(fail(percent), waitOnly, sink.BucketOptions{})
			}),
		},
		flattened(),
	}
}

// growth is the ratio of the maximum memory in the second half of a run to that in the first half.
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

// errChosen is permanent: the wait before a retry must not be measured.
var errChosen = dmap.Permanent(errors.New("chosen to fail"))

// fail returns a function that fails the given percentage of the items.
func fail(percent int64) func(context.Context, int64) (int64, error) {
	return func(_ context.Context, i int64) (int64, error) {
		if i%100 < percent {
			return 0, errChosen
		}
		return i, nil
	}
}

// wait waits for a run.
type wait func(*dmap.Run, error) (outcome, error)

func waitOnly(run *dmap.Run, err error) (outcome, error) {
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

// waitAndSample waits for a run and samples its progress and its memory.
func waitAndSample(run *dmap.Run, err error) (outcome, error) {
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
	for ended := false; !ended; {
		select {
		case <-ticker.C:
			s.tick(now)
		case <-run.Done():
			ended = true
		}
	}
	out, err := counted(run.Wait())
	out.Series = append(s.points, now())
	return out, err
}

// series keeps 16 to 32 evenly spaced points of a run of any length. When it is full it drops
// every second point and halves its sampling rate.
type series struct {
	points []point
	ticks  int
	every  int // ticks between two points; 0: 1
}

const maxPoints = 32

// tick adds a point if one is due.
func (s *series) tick(now func() point) {
	s.ticks++
	if s.ticks%max(s.every, 1) != 0 {
		return
	}
	if len(s.points) < maxPoints {
		s.points = append(s.points, now())
		return
	}
	for i := range maxPoints / 2 {
		s.points[i] = s.points[2*i+1]
	}
	s.points = s.points[:maxPoints/2]
	s.every = 2 * max(s.every, 1)
}
