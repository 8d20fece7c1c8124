package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/sink"
)

// formJob is the configuration of a process of the crash programme.
type formJob struct {
	Form        crashForm
	Place       string // of the bucket: an S3 URL or a folder
	N           int
	Size        int // of large inputs
	RunID       string
	Concurrency int
	Call        time.Duration // of a call
	CommitEvery time.Duration // 0: the default
	Waits       time.Duration // that some items ask for at their first attempt; 0: none does
	Log         string        // file to which all processes of the run append
	Process     int           // number of this process in the run
}

func (job formJob) input() formInput { return formInput{job.Form.Input, job.N, job.Size} }

// options are the defaults, unless the form needs others.
func (job formJob) options() dmap.Options {
	opts := dmap.Options{RunID: job.RunID, MaxConcurrency: job.Concurrency}
	if job.Waits > 0 {
		opts.Retry = dmap.Retry{MaxAttempts: 2, Retryable: func(err error) bool { return errors.Is(err, errBusy) }}
	}
	if !job.Form.defaults() {
		opts.CommitEvery, opts.Tolerance = job.CommitEvery, dmap.Tolerance{Percentage: 50}
		opts.PoisonAfter = -1 // kills at the same step may hit the same item each time
	}
	if job.Form.Twist == redriven {
		opts.Tolerance, opts.Redrive = dmap.Tolerance{Percentage: 1, MinItems: 500}, dmap.Redrive{Max: 30}
	}
	return opts
}

// runFormJob is the main function of a process. Its exit code is that of dmap.ExitCode.
func runFormJob(t *testing.T, text string) {
	var job formJob
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	log, err := os.OpenFile(job.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	l := &life{job: job, log: log}
	l.note("begin %d", job.Form.inFlight(job.Concurrency))
	b, err := openPlace(t.Context(), job.Place)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	faults := dmaptest.NewFaultBucket(t, b)
	faults.Watch(func(c dmaptest.Call, ended bool) {
		if ended && c.Op == dmaptest.OpClose && strings.HasPrefix(c.Key, "runs/") {
			fmt.Printf("step wrote\n")
		}
	})
	ctx, stop := dmap.SuspendOn(t.Context(), syscall.SIGTERM)
	defer stop()
	ctx, end := signal.NotifyContext(ctx, os.Interrupt)
	defer end()
	stats, err := l.run(ctx, b, crashSink{sink.Bucket[squared](faults.Bucket, "runs", sink.BucketOptions{PartBytes: 64 << 10}), l.note})
	if err != nil {
		fmt.Println(err)
		code := dmap.ExitCode(err)
		if code == 1 {
			code = exitFailed // 1 is that of a failed test
		}
		os.Exit(code)
	}
	fmt.Printf("stats %+v\n", stats)
}

// life is one process of a run.
type life struct {
	job   formJob
	log   *os.File
	calls atomic.Int64
}

// note writes a line to the log, which survives a kill, and tells the parent about the step.
func (l *life) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintf(l.log, "%d %s\n", l.job.Process, text); err != nil {
		panic(err)
	}
	if !strings.HasPrefix(text, "call") {
		fmt.Printf("step %s\n", text)
	}
}

// called notes a call, and tells the parent about the calls 1, 2, 4, 8, …
func (l *life) called(items string) {
	l.note("call%s", items)
	if n := l.calls.Add(1); n&(n-1) == 0 {
		fmt.Printf("step calls %d\n", n)
	}
}

func (l *life) run(ctx context.Context, in *blob.Bucket, results dmap.Sink[squared]) (dmap.Stats, error) {
	src, opts := l.job.input().source(in), l.job.options()
	if l.job.Form.Batch == 0 {
		return dmap.Map(ctx, src, func(ctx context.Context, in number) (squared, error) {
			l.called(fmt.Sprintf(" %d", in.N))
			if err := l.work(ctx); err != nil {
				return squared{}, err
			}
			info, _ := dmap.InfoFrom(ctx)
			out, again, err := l.outcome(info, in)
			if again {
				l.note("call waits %d", in.N)
			}
			return out, err
		}, opts, results)
	}
	return dmap.MapBatch(ctx, src, batch.Limits{Items: l.job.Form.Batch}, func(ctx context.Context, items []dmap.Item[number]) ([]squared, error) {
		var called, waiting strings.Builder
		for _, item := range items {
			fmt.Fprintf(&called, " %d", item.Value.N)
		}
		l.called(called.String())
		if err := l.work(ctx); err != nil {
			return nil, err
		}
		info, _ := dmap.InfoFrom(ctx)
		out, failed := make([]squared, len(items)), batch.Errors{}
		for i, item := range items {
			var again bool
			var err error
			if out[i], again, err = l.outcome(info, item.Value); err != nil {
				failed[i] = err
			}
			if again {
				fmt.Fprintf(&waiting, " %d", item.Value.N)
			}
		}
		if waiting.Len() > 0 {
			l.note("call waits%s", waiting.String())
		}
		return out, failed.Err()
	}, opts, results)
}

// work takes the time of a call, half to one and a half of it.
func (l *life) work(ctx context.Context) error {
	_, err := squareSlowly(ctx, number{}, l.job.Call)
	return err
}

// outcome is the result of a number. again says that it is to be called once more, by a retry or a
// redrive.
func (l *life) outcome(info dmap.Info, in number) (out squared, again bool, err error) {
	switch {
	case l.job.Waits > 0 && info.Attempt == 1 && waits(in.N):
		return out, true, dmap.RetryAfter(errBusy, l.job.Waits)
	case skips(in.N):
		return out, false, dmap.ErrSkip
	case l.job.Form.Twist == redriven && in.N%10 == 7 && in.N%3 >= info.Redrive:
		return out, true, errUnlucky
	case l.job.Form.unlucky(in.N):
		return out, false, errUnlucky
	default:
		return squared{in.N, in.N * in.N}, false, nil
	}
}
