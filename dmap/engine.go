package dmap

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/gate"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/stopread"
)

// engine is one run: it wires the parts together, starts them, and waits for them. Each part knows
// its neighbors, none the engine.
type engine[T, R any] struct {
	spec     RunSpec
	clock    runClock
	stopper  *stopper
	tally    *tally
	gate     *gate.Gate[task[T, R]]
	reader   *reader[T, R]
	workers  *workers[T, R]
	watchdog *watchdog
	spending *spending
	sinks    *sinkSet[R]
	durable  *durable
	rate     atomic.Pointer[Rate]
	leased   *stopread.Request // nil: nobody asks for the end of the reading
	delivery *delivery[T, R]
	observer *observing // nil: there is none

	done    chan struct{} // closed when nothing of the run runs any more
	final   Stats         // once done
	verdict verdict       // once done
}

// newEngine wires a run of checked arguments.
func newEngine[T, R any](ctx context.Context, j job[T, R], plan Plan[T], spec RunSpec, sinks []Sink[R]) *engine[T, R] {
	opts := spec.Options
	log := newRunLog(ctx, opts, textRules(opts, sinks))
	observer := newObserving(ctx, opts.Observer, log)
	e := &engine[T, R]{
		spec: spec, clock: runClock{spec.Started}, stopper: newStopper(ctx, opts, log), tally: newTally(opts.Tolerance, log),
		observer: observer, spending: newSpending(opts, runClock{spec.Started}), done: make(chan struct{}),
		leased: stopread.Claim(ctx),
	}
	meter := &meter{}
	pace := &pace{
		inBatches: j.inBatches, limits: spec.Batch, single: opts.AbandonAfter > 0, alone: opts.Enough > 0, leased: e.leased != nil,
	}
	e.stopper.observer, e.tally.observer, e.tally.enough.of = observer, observer, opts.Enough
	e.watchdog = newWatchdog(opts, e.clock, log)
	e.workers = &workers[T, R]{
		job: j, opts: opts, clock: e.clock, pace: pace, tally: e.tally, stopper: e.stopper, watchdog: e.watchdog,
		texts: make(longTexts, 1), observer: observer, spending: e.spending, limited: e.spending.limited,
		meter: meter,
	}
	e.gate = gate.New[task[T, R]](opts.MaxConcurrency, gate.Config{
		Room: pace.room, Crowded: crowded, WorthWaking: pace.worthWaking, Start: e.workers.start,
	})
	pace.rate = e.gate.Rate
	e.rate.Store(&opts.Rate)
	e.gate.SetRate(opts.Rate.limits())
	if e.leased != nil {
		e.gate.SpendBurst() // or many short leases would start at once, whatever the rate
		e.leased.Limited(e.gate.SetLimit)
	}
	e.stopper.halt = e.gate.Stop
	e.sinks = newSinkSet(sinks, e.stopper, opts.ignorance())
	e.durable = &durable{
		clock: e.clock, every: opts.CommitEvery, committers: e.sinks.committers(), fail: e.sinks.fail,
		committed: func(number int64, n journal.Counts) {
			log.committed(number, n)
			observer.committed(number, n)
		},
		writing: make(chan struct{}, 1), ignorance: opts.ignorance(), uncommitted: e.spending.uncommitted,
		edits: edits{observer: observer}, tolerance: &e.tally.tolerance,
	}
	recycler := &recycler[T, R]{off: !e.sinks.borrow() || opts.AbandonAfter > 0, lent: j.inBatches}
	inflight := &inflight[T, R]{
		gate: e.gate, tally: e.tally, calls: calls{Context: e.stopper.calls.ctx, runID: spec.RunID, spending: e.spending}, keeps: len(sinks) > 0,
		inBatches: j.inBatches,
	}
	e.delivery = &delivery[T, R]{
		sinks: e.sinks, durable: e.durable, tally: e.tally, stopper: e.stopper, inflight: inflight, recycler: recycler,
		clock: e.clock, meter: meter,
	}
	e.workers.gate, e.workers.delivery = e.gate, e.delivery
	e.reader = &reader[T, R]{
		plan: plan, name: spec.Source, runID: spec.RunID, maxItems: opts.MaxItems,
		inOrder: opts.MaxItems > 0 || opts.MaxConcurrency == 1,
		stopper: e.stopper, tally: e.tally, pace: pace, durable: e.durable, recycler: recycler, inflight: inflight,
		delivery: e.delivery, ignorance: opts.ignorance(), adapts: !opts.NoAdapt, clock: e.clock, meter: meter,
	}
	return e
}

// start opens the run and starts its goroutines. After an error, or if the run has ended before,
// nothing runs.
func (e *engine[T, R]) start() error {
	ctx := e.stopper.run.ctx
	ended, err := e.open()
	if err == nil && ended == nil {
		go e.run()
		return nil
	}
	durable := e.durable.on() || refusedToOpen(err)
	if closeErr := e.durable.close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	if ended != nil {
		e.final, e.verdict = ended.Stats, verdict{err: ended.Err, reason: ended.Stats.Reason, state: StateEnded, rules: e.stopper.log.rules}
		e.final.State, e.final.EndedBefore = StateEnded, true
	}
	if err != nil {
		v := notStarted(ctx, err, durable)
		v.rules = e.stopper.log.rules
		err = v.inRun(e.spec.RunID)
	}
	e.stopper.release(err)
	close(e.stopper.drained)
	close(e.done)
	return err
}

// open opens the journal, if a sink keeps one, and begins or resumes the run in the sinks. The
// Ending is that of a run that has ended before.
func (e *engine[T, R]) open() (*Ending, error) {
	ctx := e.stopper.run.ctx
	log, progress, ended, err := openJournal(ctx, e.sinks, e.spec, e.reader.sameSource)
	e.durable.log, e.durable.keeper = log, e.sinks.keeperAt
	if err == nil && log == nil && e.spec.Options.Redrive.wanted() {
		err = &callError{errNoJournal}
	}
	if err != nil || ended != nil {
		return ended, err
	}
	if ctx.Err() != nil && !progress.Resumed && log == nil {
		return nil, context.Cause(ctx)
	}
	e.durable.number = progress.Number
	e.workers.keepsHeld = log != nil && log.KeepsHeld()
	if e.spec.Resumed = progress.Resumed; e.spec.Resumed {
		if err := e.durable.resume(ctx, &progress, e.spec.Options.PoisonAfter); err != nil {
			return nil, err
		}
		if e.durable.quarantine != nil {
			e.workers.quarantine = e.durable.quarantine
			e.reader.inflight.isolation = newIsolation(e.durable, e.reader.inflight, e.stopper, e.spec.Options.MaxConcurrency)
		}
		e.tally.resume(progress.Counts)
		e.spending.resume(progress.Counts)
		e.resumeRedrive(&progress)
	}
	ctx = e.observeStart(ctx)
	e.stopper.log.started(e.spec, progress.Counts, progress.Number)
	if err := e.begin(ctx, progress); err != nil {
		ending := Ending{Stats: e.running(), Err: shown(err, describe(e.stopper.log.rules, err)), Unread: Unread{All: true}, Resumable: e.durable.on()}
		ending.Tolerance = e.spec.Options.Tolerance
		v := notStarted(ctx, err, e.durable.on())
		ending.Stats.State, ending.Stats.Reason = v.state, v.reason
		_ = e.sinks.end(e.stopper.save.ctx, ending)
		_ = e.sinks.endKeeper(e.stopper.save.ctx, ending)
		e.observer.runEnded(ending.Stats, ending.Err)
		return nil, err
	}
	return nil, nil
}

// begin tells the sinks that the run starts, and what of their results counts already.
func (e *engine[T, R]) begin(ctx context.Context, progress journal.Progress) error {
	err := e.sinks.begin(ctx, e.spec)
	e.reader.folders = e.sinks.resultFolders()
	if err != nil || !progress.Resumed {
		return err
	}
	return e.sinks.restore(ctx, progress.States)
}

// run carries the run from the first item to its end. It owns every goroutine of the run.
func (e *engine[T, R]) run() {
	defer close(e.done)
	s := e.stopper
	s.background.Go(func() { e.watchdog.run(s.calls.ctx.Done(), s.drained) })
	committing := make(chan struct{})
	go func() {
		defer close(committing)
		if e.durable.on() {
			e.durable.run(s.sinks.ctx, s.drained)
		}
	}()
	if e.spending.limited {
		s.background.Go(e.watchBudget)
	}
	if e.leased != nil {
		s.background.Go(func() {
			s.stopReadingWhen(e.leased.Asked(), func() { e.workers.pace.ended.Store(true); e.gate.RoomChanged() })
		})
	}
	e.startWithEnough()
	disarm := s.onCancel(s.stop)
	readErr := e.readAll()
	e.reader.inflight.isolation.drain()
	e.gate.Close()
	complete := e.awaitWorkers()
	if !complete {
		e.abandonSinks()
	}
	disarm()
	close(s.drained)
	e.observer.phase(PhaseSaving, nil)
	disarm = s.boundSaving()
	if complete { // else it may wait for the Write of an abandoned sink
		<-committing
	}
	e.finish(readErr)
	disarm()
	s.release(nil)
	s.background.Wait()
	e.observer.runEnded(e.final, e.verdict.inRun(e.spec.RunID))
}

// readAll reads the source, and returns its error.
func (e *engine[T, R]) readAll() error {
	all, err := e.reader.run(e.stopper.input.ctx)
	if e.leased != nil && err == nil {
		left := e.reader.leaves()
		left.Nothing = all
		e.leased.End(left)
	}
	switch {
	case all:
		e.tally.readAll.Store(true)
		e.observer.phase(PhaseRead, nil)
		e.judge()
	case err == nil && e.stopper.leaves(): // the workers finish the items that were read
	case err == nil: // the end of the context may have ended the reading before it stopped the run
		e.stopper.stop(e.stopper.ended())
	}
	return err
}

// judge stops the run if more items failed than the tolerance allows.
func (e *engine[T, R]) judge() {
	if err := e.tally.exceeded(); err != nil {
		e.stopper.stop(err)
	}
}

// specOf describes a run of checked arguments.
func specOf(src any, opts Options, limits batch.Limits, clock runClock) RunSpec {
	return RunSpec{RunID: opts.RunID, Source: sourceName(src), Started: clock.started, Options: opts, Batch: limits}
}

// resumeRedrive sets the run up to continue a redrive, or with decided items, if there are any.
func (e *engine[T, R]) resumeRedrive(p *journal.Progress) {
	e.reader.outstanding, e.reader.leased = p.Counts.Outstanding(), p.Leased
	if p.Leased {
		e.tally.read.Add(p.Counts.Again)
	}
	if e.durable.on() {
		e.reader.lists = e.durable.log.Lists(p)
	}
	if p.Redrive == nil {
		return
	}
	e.spec.Redrive = p.Redrive.Number
	e.reader.inflight.calls.redrive = p.Redrive.Number
	e.tally.redrive, e.reader.redrive = p.Redrive, p.Redrive
	e.reader.mended = newMended(p.Redrive.Rests, e.reader.plan.Rest)
	if p.Redrive.Changed && e.reader.plan.Layout != nil {
		e.reader.changed = new(changedObjects)
	}
	e.tally.read.Add(p.Redrive.Rest)
	gone := p.Counts.Gone
	if p.Begun != nil {
		gone -= p.Begun.Gone
	}
	e.tally.gone.Store(gone)
}

// observeStart reports that the run begins in this process. It returns ctx, or one with the values
// that the observer adds to the contexts of the run.
func (e *engine[T, R]) observeStart(ctx context.Context) context.Context {
	values := e.observer.runStarted(RunStart{RunSpec: e.spec, Stats: e.running(), Run: &Run{e}})
	if values == nil {
		return ctx
	}
	e.stopper.addValues(values)
	e.stopper.log.addValues(values)
	e.reader.inflight.calls.Context = e.stopper.calls.ctx //nolint:fatcontext // once
	return &withValues{ctx, values}
}

// startWithEnough stops a run that resumes with enough successes. A redrive with nothing unread
// processes the items that it has taken, however many have succeeded.
func (e *engine[T, R]) startWithEnough() {
	if again := e.tally.redrive; again != nil && (again.Done || again.Trial) {
		e.tally.enough.of = 0
	}
	e.delivery.stopIfEnough()
}

// watchBudget stops the run when a budget is used up and it is known that the run needs another
// call. While nobody knows, the next call decides: a run that has used exactly its budget succeeds.
func (e *engine[T, R]) watchBudget() {
	var timeUp <-chan time.Time
	if left, ok := e.spending.timeLeft(); ok {
		timer := time.NewTimer(left)
		defer timer.Stop()
		timeUp = timer.C
	}
	full := e.spending.full
	for {
		var needed bool
		select {
		case <-e.stopper.drained:
			return
		case <-full:
			full = nil
			needed = e.gate.State().Waiting.Items > 0
		case <-timeUp:
			timeUp = nil
			at := e.gate.State()
			needed = at.Waiting.Items+at.Queued > 0 || !e.tally.readAll.Load()
		}
		if err := e.spending.over(); err != nil && needed {
			e.stopper.stop(err)
		}
	}
}
