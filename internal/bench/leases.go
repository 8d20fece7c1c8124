package main

import (
	"context"
	"fmt"
	"strconv"

	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
	"github.com/go-dmap/dmap/sink"
)

// leases measures what the leases of a run on many machines cost beside one Map, with calls that do
// nothing: the worst case. Each lease has a run folder of its own, which stands for a lane.
var leases = table{
	name:  "leases",
	what:  "a call per number, of a function that does nothing, results to memory: one Map, and the same items in leases",
	n:     1_000_000,
	cases: leaseCases(),
}

func leaseCases() []benchCase {
	cases := []benchCase{{name: "dmap.Map", ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
		return runLeases(ctx, work, 0)
	}}}
	for _, n := range []int{10, 33, 100, 300} {
		cases = append(cases, benchCase{name: strconv.Itoa(n) + " leases", ours: true, run: func(ctx context.Context, work workload) (outcome, error) {
			return runLeases(ctx, work, n)
		}})
	}
	return cases
}

// runLeases runs the items in n leases, one after the other. 0: in one Map.
func runLeases(ctx context.Context, work workload, n int) (out outcome, err error) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	opts := dmap.Options{RunID: "all", MaxConcurrency: work.Concurrency}
	nothing := func(_ context.Context, i int64) (int64, error) { return i, nil }
	if n == 0 {
		stats, err := dmap.Map(ctx, generated{work.N, 300}, nothing, opts, sink.Bucket[int64](bucket, "runs/"))
		return outcome{Succeeded: stats.Succeeded}, err
	}
	src, i := generated{work.N, int64(n)}, int64(0)
	for split, err := range src.Splits(ctx) {
		if err != nil {
			return out, err
		}
		opts.RunID = fmt.Sprintf("lease-%d", i)
		l := lease.Lease{Ref: lease.Ref{Lease: i, Attempt: 1}, Slots: work.Concurrency, Splits: []dmap.Split{split}}
		job := leaserun.Job[int64, int64]{Source: src, Call: nothing, Options: opts}
		lane := &benchLane{BucketSink: sink.Bucket[int64](bucket, "runs/")}
		report, err := leaserun.Run(ctx, job, l, lane, &leaserun.Control{})
		if err != nil || report.Reason != lease.Done {
			return out, fmt.Errorf("lease %d returned %d splits because of %q: %w", i, len(report.Rest), report.Reason, err)
		}
		out.Succeeded += report.Counts.Succeeded
		i++
	}
	return out, nil
}

// benchLane is a run folder as a lane.
type benchLane struct {
	*sink.BucketSink[int64]
	log *countedLog
}

// OpenJournal passes on the journal, and keeps the appended records.
func (l *benchLane) OpenJournal(ctx context.Context, spec dmap.RunSpec, same func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	log, progress, ended, err := l.BucketSink.OpenJournal(ctx, spec, same)
	if err != nil || log == nil {
		return log, progress, ended, err
	}
	l.log = &countedLog{Log: log}
	return l.log, progress, ended, nil
}

// Progress is the union of the appended records.
func (l *benchLane) Progress() ([]journal.Interval, journal.Counts) {
	if l.log == nil {
		return nil, journal.Counts{}
	}
	return l.log.progress.Settled, l.log.progress.Counts
}

type countedLog struct {
	journal.Log
	progress journal.Progress
}

func (l *countedLog) Append(ctx context.Context, c journal.Commit) error {
	err := l.Log.Append(ctx, c)
	if err == nil {
		l.progress.Apply(c)
	}
	return err
}
