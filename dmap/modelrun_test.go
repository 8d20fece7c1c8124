package dmap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

const millisecond = time.Millisecond

// game is a plan that is played: one process after the other, until the run has ended.
type game struct {
	plan
	want  expected
	diary diary

	mu     sync.Mutex     // guards what follows
	called map[int64]bool // by the current process
	lax    bool           // an act has widened the tolerance
}

// play plays p, and returns how it ended, and what is not as the model says.
func play(ctx context.Context, p plan) (end string, err error) {
	g := &game{plan: p, want: p.model()}
	for process := 0; ; process++ {
		var a act
		if process < len(p.acts) {
			a = p.acts[process]
		}
		counted, err := g.diary.outcomes()
		if err != nil {
			return "", err
		}
		sink := &ledger{}
		g.called = map[int64]bool{}
		stats, runErr := g.process(ctx, a, sink)
		if errors.Is(runErr, errEvents) {
			return "", runErr
		}
		for _, o := range counted {
			if g.called[o.Offset] {
				return "", fmt.Errorf("item %d counted already and was called again", o.Offset)
			}
		}
		var broke *dmap.SinkError
		if !p.durable || !errors.Is(runErr, dmap.ErrSuspended) && !errors.Is(runErr, dmap.ErrBudget) && !errors.As(runErr, &broke) {
			end, err := g.judge(stats, runErr, sink)
			if end == "succeeded" && process > 0 {
				end = "resumed"
			}
			return end, err
		}
		if process > len(p.acts) {
			return "", fmt.Errorf("process %d was left alone: %w", process, runErr)
		}
		if err := sumOf(stats); err != nil {
			return "", err
		}
	}
}

// process runs the plan once; a happens on its way.
func (g *game) process(ctx context.Context, a act, sink *ledger) (dmap.Stats, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g.diary.onAppend = nil
	var run atomic.Pointer[dmap.Run]
	started := make(chan struct{})
	var calls atomic.Int64
	g.faults(a, sink)
	call := func(ctx context.Context, i int, attempt int) error {
		g.mu.Lock()
		g.called[int64(i)] = true
		g.mu.Unlock()
		if calls.Add(1) == int64(a.at) {
			<-started
			g.act(a, run.Load(), cancel)
		}
		select {
		case <-time.After(time.Duration(i%4) * millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return g.call(i, attempt)
	}
	var events recording
	g.opts.Observer, g.opts.Budget = events.observer(), dmap.Budget{}
	if a.what == "budget" {
		g.opts.Budget.Calls = int64(a.arg)
	}
	r, err := g.start(ctx, call, sink)
	if err != nil {
		return dmap.Stats{}, err
	}
	run.Store(r)
	close(started)
	stats, err := r.Wait()
	wrong := events.check(stats, err)
	if most := g.opts.Budget.Calls; most > 0 && events.calls > most {
		wrong = errors.Join(wrong, fmt.Errorf("%d calls with a budget of %d", events.calls, most))
	}
	if wrong != nil {
		return stats, fmt.Errorf("%w: %w", errEvents, wrong)
	}
	return stats, err
}

var errEvents = errors.New("the events do not fit")

func (g *game) start(ctx context.Context, call func(context.Context, int, int) error, sink *ledger) (*dmap.Run, error) {
	sinks := []dmap.Sink[int]{sink}
	if g.durable {
		sinks = append(sinks, &g.diary)
	}
	if g.batch == 0 {
		return dmap.Start(ctx, g.source(), func(ctx context.Context, i int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			return i, call(ctx, i, info.Attempt)
		}, g.opts, sinks...)
	}
	return dmap.StartBatch(ctx, g.source(), batch.Limits{Items: g.batch}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
		info, _ := dmap.InfoFrom(ctx)
		errs := batch.Errors{}
		for k := range in {
			if err := call(ctx, in[k].Value, info.Attempt); err != nil {
				errs[k] = err
			}
		}
		return make([]int, len(in)), errs.Err()
	}, g.opts, sinks...)
}

// faults are the acts that concern the journal: from the arg-th commit on.
func (g *game) faults(a act, sink *ledger) {
	left := a.arg
	switch a.what {
	case "append fails", "append is lost":
		g.diary.onAppend = func(int) (bool, error) {
			if left--; left > 0 {
				return true, nil
			}
			return a.what == "append is lost", errBoom
		}
	case "write fails": // once: what comes after it is written
		sink.onWrite = func() error {
			if left--; left != 0 {
				return nil
			}
			return errBoom
		}
	case "commit fails":
		sink.onCommit = func() error {
			if left--; left > 0 {
				return nil
			}
			return errBoom
		}
	}
}

func (g *game) act(a act, run *dmap.Run, cancel context.CancelCauseFunc) {
	switch a.what {
	case "limit":
		_ = run.SetMaxConcurrency(a.arg)
	case "pause":
		run.Pause()
		time.AfterFunc(time.Duration(a.arg)*millisecond, run.Resume)
	case "tolerate":
		g.mu.Lock()
		g.lax = true
		g.mu.Unlock()
		_ = run.SetTolerance(dmap.Tolerance{Percentage: 100})
	case "cancel":
		cancel(errWhy)
	case "suspend":
		run.Cancel(dmap.ErrSuspended)
	}
}

// judge compares the end of the run with the model.
func (g *game) judge(stats dmap.Stats, runErr error, sink *ledger) (end string, err error) {
	if err := sumOf(stats); err != nil {
		return "", err
	}
	got := sink.written
	if g.durable {
		if got, err = g.diary.outcomes(); err != nil {
			return "", err
		}
		if len(sink.written) > 0 {
			return "", fmt.Errorf("%d outcomes were written and not committed", len(sink.written))
		}
	}
	if err := g.fits(got); err != nil {
		return "", err
	}
	switch {
	case runErr == nil:
		return "succeeded", g.complete(stats, got)
	case errors.Is(runErr, dmap.ErrTolerance):
		if !g.want.pastTolerance {
			return "", fmt.Errorf("not more failed than is tolerated: %w", runErr)
		}
		return "tolerance", nil
	case errors.Is(runErr, errWhy):
		return "cancelled", nil
	case (errors.Is(runErr, dmap.ErrSuspended) || errors.Is(runErr, dmap.ErrBudget)) && !g.durable:
		return "suspended", nil
	default:
		return "", fmt.Errorf("no reason to end so: %w", runErr)
	}
}

// fits checks that each outcome is there once at most, and the one of the model.
func (g *game) fits(got []outcome) error {
	seen := map[int64]bool{}
	for _, o := range got {
		switch want, known := g.want.outcomes[o.Offset]; {
		case seen[o.Offset]:
			return fmt.Errorf("item %d is there twice", o.Offset)
		case !known:
			return fmt.Errorf("%+v is there, and should not be", o)
		case o != want:
			return fmt.Errorf("%+v, the model says %+v", o, want)
		}
		seen[o.Offset] = true
	}
	return nil
}

// complete checks what a run that succeeded must have.
func (g *game) complete(stats dmap.Stats, got []outcome) error {
	want := g.want.counts
	counts := journal.Counts{Read: stats.Read, Succeeded: stats.Succeeded, Failed: stats.Failed, Skipped: stats.Skipped}
	switch {
	case counts != want:
		return fmt.Errorf("counted %+v, the model %+v", counts, want)
	case len(got) != len(g.want.outcomes):
		return fmt.Errorf("%d outcomes, the model has %d", len(got), len(g.want.outcomes))
	case g.want.pastTolerance && !g.lax:
		return errors.New("more failed than is tolerated, and the run succeeded")
	}
	if !g.durable {
		return nil
	}
	var sum journal.Counts
	for _, c := range g.diary.commits {
		sum.Add(c.Counts)
	}
	sum.Calls, sum.Retries, sum.Taken, sum.Elapsed, sum.Interrupted = 0, 0, 0, 0, 0
	if sum != want {
		return fmt.Errorf("the commits count %+v, the model %+v", sum, want)
	}
	return nil
}
