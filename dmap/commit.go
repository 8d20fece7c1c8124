package dmap

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// commits makes what is settled count, a window at a time: cut, make the sinks' results durable, append to the journal.
type commits[T, R any] struct {
	e       *engine[T, R]
	journal Journal // nil: nothing here does anything

	caution *caution[T, R]

	line    line       // each delivery enters it, so that a cut falls between deliveries
	writing sync.Mutex // held around each record, and guards number and broken

	mu      sync.Mutex    // guards what follows
	settled stretch       // since the last cut
	counts  Counts        // of settled
	cutAt   time.Duration // since the start of this process

	number int64 // of the next commit
	broken bool  // a commit failed: what came after it has no place in the journal
}

// delivered adds a chunk whose results have reached the sinks to the window; its delivery has entered the line.
func (c *commits[T, R]) delivered(k *chunk[T, R], rejected int64) {
	if c.journal == nil {
		return
	}
	counts := k.counts()
	counts.Succeeded -= rejected
	counts.Failed += rejected
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled.add(k.intervals()...)
	c.counts.Add(counts)
}

// run commits a window after the other until the run is over.
func (c *commits[T, R]) run() {
	timer := time.NewTimer(c.window())
	defer timer.Stop()
	for {
		select {
		case <-c.e.over:
			return
		case <-timer.C:
			if !c.commit(c.e.sinkCtx, false) {
				return
			}
			timer.Reset(c.window())
		}
	}
}

// window is how long the next window lasts. A thousandth of the time so far keeps the number of commits small in runs of
// days, and what a crash repeats a small part of the work.
func (c *commits[T, R]) window() time.Duration {
	if every := c.e.opts.CommitEvery; every > 0 {
		return every
	}
	return min(max(time.Second, c.e.sinceStart()/1000), time.Minute)
}

// commit makes the window count. If that fails the run stops, and what was in the window runs again in the next one.
// last says that no call runs any more and the run may be resumed.
func (c *commits[T, R]) commit(ctx context.Context, last bool) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.broken {
		return false
	}
	commit, any := c.cut()
	commit.Clean = last
	if !any && !last {
		return true
	}
	for i, o := range c.e.sinks {
		committer, ok := o.sink.(Committer)
		if !ok || !any {
			continue
		}
		var state json.RawMessage
		err := isolated(func() (err error) { state, err = committer.Commit(ctx); return err })
		if err != nil {
			c.broken = true
			c.e.sinkBroke("commit", err)
			return false
		}
		commit.States[strconv.Itoa(i)] = state
	}
	c.append(ctx, commit)
	c.caution.committed()
	return !c.broken
}

// append adds a record to the journal; writing is held.
func (c *commits[T, R]) append(ctx context.Context, record Commit) {
	if c.broken {
		return
	}
	record.Number = c.number
	if err := isolated(func() error { return c.journal.Append(ctx, record) }); err != nil {
		c.broken = true
		c.e.sinkBroke("append", fmt.Errorf("commit %d: %w", record.Number, err))
		return
	}
	c.number++
}

// cut ends the window and begins the next.
func (c *commits[T, R]) cut() (commit Commit, any bool) {
	c.line.cut(func() { commit, any = c.take() })
	return commit, any
}

// take is cut, on the line.
func (c *commits[T, R]) take() (commit Commit, any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.settled.list) == 0 {
		return commit, false
	}
	commit = Commit{Settled: c.settled.take(), Counts: c.counts, States: map[string]json.RawMessage{}}
	now := c.e.sinceStart()
	commit.Counts.Elapsed, c.cutAt = now-c.cutAt, now
	c.counts = Counts{}
	for _, o := range c.e.sinks {
		if committer, ok := o.sink.(Committer); ok {
			committer.Cut()
		}
	}
	return commit, true
}

// resume sets the run up to go on from p.
func (e *engine[T, R]) resume(ctx context.Context, p Progress) error {
	e.commits.number = p.Number
	if p.Resumed {
		clean := p.Clean
		if err := e.commits.takeOver(ctx, &p); err != nil {
			return err
		}
		e.commits.caution = newCaution(&e.commits, p, clean)
	}
	e.base = coverageOf(p.Settled)
	e.before = p.Counts.Elapsed
	e.taken = p.Counts.Taken
	e.counts.read.Store(p.Counts.Read)
	e.counts.shard(0).Store(p.Counts.Succeeded)
	e.counts.failed.Store(p.Counts.Failed)
	e.counts.skipped.Store(p.Counts.Skipped)
	e.counts.calls.Store(p.Counts.Calls)
	e.counts.retries.Store(p.Counts.Retries)
	for i, o := range e.sinks {
		committer, ok := o.sink.(Committer)
		if !ok || !p.Resumed {
			continue
		}
		if err := isolated(func() error { return committer.Restore(ctx, p.States[strconv.Itoa(i)]) }); err != nil {
			return &SinkError{Op: "restore", Err: err}
		}
	}
	return nil
}

// takeOver tells the journal that this process goes on with the run: a process that still does is fenced off.
func (c *commits[T, R]) takeOver(ctx context.Context, p *Progress) error {
	record := Commit{Number: p.Number, Begins: true}
	if err := isolated(func() error { return c.journal.Append(ctx, record) }); err != nil {
		return &SinkError{Op: "append", Err: fmt.Errorf("commit %d: %w", record.Number, err)}
	}
	p.Apply(record)
	c.number = p.Number
	return nil
}
