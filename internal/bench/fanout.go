package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// task processes one item.
type task func(ctx context.Context, i int) error

func nothing(context.Context, int) error { return nil }

// spin computes for about a microsecond. The amount of work is constant.
func spin(_ context.Context, i int) error {
	x := uint64(i) | 1
	for range 500 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		return errors.New("xorshift of an odd number is 0")
	}
	return nil
}

const napTime = 5 * time.Millisecond

func nap(context.Context, int) error {
	time.Sleep(napTime)
	return nil
}

// timesIdeal is the wall time relative to the ideal: all calls start immediately and wait exactly
// napTime.
var timesIdeal = figure{"x ideal wall", 2, false, func(m measured, w workload) float64 {
	rounds := (w.N + int64(w.Concurrency) - 1) / int64(w.Concurrency)
	return float64(m.Wall) / float64(time.Duration(rounds)*napTime)
}}

const (
	mapName       = "dmap.Map"
	allOnName     = "dmap.Map, all on"
	sequenceName  = "dmap.Map, all on, of an iter.Seq"
	bucketName    = "dmap.Map, all on, results to a folder"
	bareBatchName = "dmap.MapBatch"
	batchName     = "dmap.MapBatch, all on"

	observedName      = "dmap.Map, all on, observed"
	observedBatchName = "dmap.MapBatch, all on, observed"
)

// fanout measures the cost of calling a function with an item. "All on" means that the function
// reads its Info, failures are counted against a tolerance, Retry is set, and each result goes to
// a sink.
func fanout() []table {
	const n = 1_000_000
	figures := []figure{cpuNanos, wallNanos, allocs, allocBytes, peakMiB}
	// rill is not a case, because its releases cannot be fetched from every module proxy. Its
	// ratio was measured once on this table, with version 0.7 beside errgroup.
	single := func(concurrency int, rill float64) table {
		return table{
			name: fmt.Sprintf("fanout/b1-c%d", concurrency),
			what: fmt.Sprintf("a call per int, of a function that does nothing; %d at once", concurrency),
			n:    n, concurrency: concurrency, figures: figures, base: errgroupName,
			cases: singles(nothing),
			targets: []target{
				{of: allOnName, figure: cpuNanos, against: errgroupName, most: rill, note: "ratio of rill.ForEach, measured separately"},
				{of: allOnName, figure: cpuNanos, against: errgroupName, most: 0.2},
				{of: allOnName, figure: allocs, most: 0.1},
			},
		}
	}
	batched := func(concurrency int) table {
		return table{
			name: fmt.Sprintf("fanout/b400-c%d", concurrency),
			what: fmt.Sprintf("a call per 400 ints, nothing done with each; %d calls at once", concurrency),
			n:    n, concurrency: concurrency, batch: 400, figures: figures, base: errgroupName,
			cases:   batches(nothing),
			targets: []target{{of: batchName, figure: cpuNanos, against: errgroupName, most: 1.1}},
		}
	}
	return []table{
		single(2, 0.105), single(100, 0.111), single(1000, 0.121),
		batched(100), batched(1000),
		{
			name: "fanout/1us-b1-c100", what: "a call per int, of a function that computes for 1 us; 100 at once",
			n: n, concurrency: 100, figures: figures, base: serialName, cases: singles(spin),
			targets: []target{{of: allOnName, figure: cpuNanos, against: serialName, most: 1.08}},
		},
		{
			name: "fanout/1us-b400-c100", what: "a call per 400 ints, 1 us computed for each; 100 calls at once",
			n: n, concurrency: 100, batch: 400, figures: figures, base: serialName, cases: batches(spin),
			targets: []target{{of: batchName, figure: cpuNanos, against: serialName, most: 1.08}},
		},
		{
			name: "fanout/5ms-c1000", what: "a call per int, of a function that waits for 5 ms; 1,000 at once",
			n: 100_000, concurrency: 1000, base: errgroupName, cases: limited(singles(nap)),
			figures: []figure{timesIdeal, cpuNanos, wallSeconds, addedMiB, peakMiB},
			targets: []target{{of: allOnName, figure: timesIdeal, most: 1.15}},
		},
		{
			name: "fanout/5ms-c10000", what: "a call per int, of a function that waits for 5 ms; 10,000 at once",
			n: 100_000, concurrency: 10_000, base: errgroupName, cases: limited(singles(nap)),
			figures: []figure{timesIdeal, cpuNanos, wallSeconds, addedMiB, peakMiB},
			targets: []target{
				{of: allOnName, figure: wallSeconds, against: errgroupName, most: 0.4},
				{of: allOnName, figure: peakMiB, against: goroutinesName, most: 1.1},
			},
		},
	}
}

// limited removes the cases that do not respect the limit on concurrent calls.
func limited(cases []benchCase) []benchCase {
	return slices.DeleteFunc(cases, func(c benchCase) bool { return c.name == serialName || c.name == loName })
}

// singles returns the cases with one call per item.
func singles(do task) []benchCase {
	var cases []benchCase
	for _, p := range peers[int]() {
		cases = append(cases, benchCase{name: p.name, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return outcome{Succeeded: work.N}, p.each(ctx, work.Concurrency, items, do)
		}})
	}
	return append(cases,
		benchCase{name: mapName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return counted(dmap.Map(ctx, source.Slice(items), func(ctx context.Context, i int) (int, error) { return i, do(ctx, i) },
				dmap.Options{MaxConcurrency: work.Concurrency}))
		}},
		benchCase{name: allOnName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return counted(dmap.Map(ctx, source.Slice(items), informed(do), allOn(work), dmap.Sink[int](discard[int]{})))
		}},
		benchCase{name: observedName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return observed(allOn(work), func(opts dmap.Options) (dmap.Stats, error) {
				return dmap.Map(ctx, source.Slice(items), informed(do), opts, dmap.Sink[int](discard[int]{}))
			})
		}},
		benchCase{name: sequenceName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			src := source.Seq(slices.Values(items))
			return counted(dmap.Map(ctx, src, informed(do), allOn(work), dmap.Sink[int](discard[int]{})))
		}},
		benchCase{name: bucketName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			out, err := openFolder(work.Scratch)
			if err != nil {
				return outcome{}, err
			}
			defer out.Close()
			items := ints(work)
			work.start()
			return counted(dmap.Map(ctx, source.Slice(items), informed(do), allOn(work), sink.Bucket[int](out, "runs/")))
		}},
	)
}

// batches returns the cases with one call per work.Batch items. The peers get ready-made batches.
func batches(do task) []benchCase {
	var cases []benchCase
	for _, p := range peers[[]int]() {
		cases = append(cases, benchCase{name: p.name, run: func(ctx context.Context, work workload) (outcome, error) {
			made := slices.Collect(slices.Chunk(ints(work), work.Batch))
			work.start()
			return outcome{Succeeded: work.N}, p.each(ctx, work.Concurrency, made, func(ctx context.Context, items []int) error {
				return serial(ctx, 1, items, do)
			})
		}})
	}
	return append(cases,
		benchCase{name: bareBatchName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return counted(dmap.MapBatch(ctx, source.Slice(items), batch.Limits{Items: work.Batch}, inBatches(do),
				dmap.Options{MaxConcurrency: work.Concurrency}))
		}},
		benchCase{name: batchName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return counted(dmap.MapBatch(ctx, source.Slice(items), batch.Limits{Items: work.Batch}, inBatches(do),
				allOn(work), dmap.Sink[int](discard[int]{})))
		}},
		benchCase{name: observedBatchName, ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			items := ints(work)
			work.start()
			return observed(allOn(work), func(opts dmap.Options) (dmap.Stats, error) {
				return dmap.MapBatch(ctx, source.Slice(items), batch.Limits{Items: work.Batch}, inBatches(do), opts, dmap.Sink[int](discard[int]{}))
			})
		}},
	)
}

func inBatches(do task) func(context.Context, []dmap.Item[int]) ([]int, error) {
	return func(ctx context.Context, items []dmap.Item[int]) ([]int, error) {
		results := make([]int, len(items))
		for i, item := range items {
			if err := do(ctx, item.Value); err != nil {
				return nil, err
			}
			results[i] = item.Value
		}
		return results, nil
	}
}

func ints(work workload) []int {
	items := make([]int, work.N)
	for i := range items {
		items[i] = i
	}
	return items
}

// informed reads Info, as does a function that sends an idempotency key.
func informed(do task) func(context.Context, int) (int, error) {
	return func(ctx context.Context, i int) (int, error) {
		info, ok := dmap.InfoFrom(ctx)
		if !ok || info.Attempt != 1 {
			return 0, fmt.Errorf("item %d: called with %+v", i, info)
		}
		return i, do(ctx, i)
	}
}

func allOn(work workload) dmap.Options {
	return dmap.Options{
		MaxConcurrency: work.Concurrency,
		Tolerance:      dmap.Tolerance{Percentage: 100},
		Retry:          dmap.Retry{MaxAttempts: 3},
	}
}

// discard is a sink that the workers call directly, and that drops the results.
type discard[R any] struct{}

func (discard[R]) Write(context.Context, []dmap.Result[R]) error { return nil }
func (discard[R]) Flush(context.Context) error                   { return nil }
func (discard[R]) ConcurrentWrites()                             {}
func (discard[R]) BorrowsResults()                               {}
