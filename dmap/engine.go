package dmap

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/gate"
)

// engine is one run: a reading, a gate, workers, and the sinks.
type engine[T, R any] struct {
	src        Plan[T]
	sourceName string
	fn         func(context.Context, T) (R, error)
	batchFn    func(context.Context, []Item[T]) ([]R, error)
	inBatches  bool
	limits     batch.Limits
	opts       Options
	sinks      []*outlet[R]

	started     time.Time
	runCtx      context.Context // the caller's, until the run is cancelled
	cancelRun   context.CancelCauseFunc
	readCtx     context.Context // ends when nothing more is read
	cancelRead  context.CancelCauseFunc
	callsCtx    context.Context // ends when calls are interrupted
	cancelCalls context.CancelCauseFunc
	sinkCtx     context.Context // of writes and commits while calls run
	cancelSink  context.CancelCauseFunc
	saveCtx     context.Context // of what sinks do when no call runs any more
	cancelSave  context.CancelCauseFunc

	gate       *gate.Gate[task[T, R]]
	ledger     ledger[T, R]
	crew       crew[T, R]
	reading    *reading[T, R]
	commits    commits[T, R]
	recycler   recycler[T, R]
	calls      calls          // what their contexts share
	base       coverage       // what earlier processes have settled
	before     time.Duration  // how long they took
	taken      int64          // of MaxItems, by earlier processes
	keeper     *outlet[R]     // the sink that keeps the journal, if one does
	opened     bool           // the journal is open
	working    sync.WaitGroup // the workers
	watching   sync.WaitGroup // the watch, and timers that end contexts
	committing sync.WaitGroup // the goroutine that commits
	over       chan struct{}  // closed when no call runs any more
	done       chan struct{}  // closed when the run has ended

	counts    counts
	tolerance atomic.Pointer[Tolerance]
	callTime  atomic.Int64 // mean ns of a call, lately; 0: none has returned
	truncated atomic.Bool
	readAll   atomic.Bool // the source has ended, or MaxItems has
	stopping  atomic.Bool

	mu       sync.Mutex
	cause    error        // why the run stops; the first wins
	first    []*ItemError // the first failures
	sinkErrs []error      // of sinks; the first
	final    Stats        // once done
	err      error        // once done
}

const firstFailures = 10

func (e *engine[T, R]) sinceStart() time.Duration { return time.Since(e.started) }

// inOrder says that the source is read by one reader: for an exact MaxItems, and to keep order with a single call at once.
func (e *engine[T, R]) inOrder() bool { return e.opts.MaxItems > 0 || e.opts.MaxConcurrency == 1 }

// start opens the run: contexts, then the sinks' records. After an error nothing runs.
func (e *engine[T, R]) start(ctx context.Context) error {
	e.started = time.Now()
	e.over, e.done = make(chan struct{}), make(chan struct{})
	tolerance := e.opts.Tolerance
	e.tolerance.Store(&tolerance)
	e.runCtx, e.cancelRun = context.WithCancelCause(ctx)
	e.readCtx, e.cancelRead = context.WithCancelCause(e.runCtx)
	e.callsCtx, e.cancelCalls = callContexts(ctx)
	e.calls = calls{e.callsCtx, e.opts.RunID}
	e.recycler.off, e.recycler.lent = !e.recyclable(), e.inBatches
	e.sinkCtx, e.cancelSink = detached(ctx)
	e.saveCtx, e.cancelSave = detached(ctx)
	e.gate = gate.New[task[T, R]](e.opts.MaxConcurrency, gate.Config{Room: e.room, WorthWaking: e.worth, Start: e.hire})
	ended, err := e.open()
	if err != nil || ended != nil {
		if closing := e.closeJournal(); closing != nil {
			err = errors.Join(err, closing)
		}
		e.release(err)
		if ended != nil {
			e.final, e.err = ended.Stats, ended.Err
		}
		close(e.over)
		close(e.done)
		return err
	}
	e.watching.Go(e.watch)
	if e.commits.journal != nil {
		e.committing.Go(e.commits.run)
	}
	go e.run()
	return nil
}

// room is how many items, or batches, may wait for a worker.
func (e *engine[T, R]) room(limit int) int {
	if e.inBatches {
		return min(max(2, limit), 16)
	}
	if mean := time.Duration(e.callTime.Load()); mean > 0 && mean < chunkTime/maxChunk {
		return max(8*maxChunk, limit)
	}
	return max(2*maxChunk, limit/4)
}

// wakeTime is how much work is worth waking a worker for: some times what that costs.
const wakeTime = 50 * time.Microsecond

// worth says whether the calls for so many units take long enough to wake a worker beside others. It is unknown before the
// first has returned.
func (e *engine[T, R]) worth(units int) bool {
	mean := time.Duration(e.callTime.Load())
	return e.inBatches || mean == 0 || mean*time.Duration(units) >= wakeTime
}

// hire starts a worker.
func (e *engine[T, R]) hire() {
	e.working.Add(1)
	go e.crew.hire(e).run()
}

// run carries the run from the first item to the closed books. It owns every goroutine of the run.
func (e *engine[T, R]) run() {
	defer close(e.done)
	calling := e.onCancel(e.stop)
	e.reading = &reading[T, R]{e: e, src: e.src}
	all, readErr := e.reading.run(e.readCtx)
	switch {
	case all:
		e.readAll.Store(true)
		e.judge()
	case readErr == nil: // the context may have ended the reading before it told the run
		e.stop(context.Cause(e.readCtx))
	}
	e.gate.Close()
	<-e.gate.Finished()
	e.working.Wait()
	calling()
	close(e.over)
	saving := e.onCancel(func(cause error) { e.watching.Go(func() { e.bound(e.saveCtx, e.cancelSave, cause) }) })
	e.committing.Wait()
	e.end(readErr)
	saving()
	e.release(nil)
	e.watching.Wait()
}

// hand passes a filled chunk to the workers. Without wait it is false if there is no space; else if the run stops.
func (e *engine[T, R]) hand(c *chunk[T, R], wait bool) bool {
	c.seal(&e.calls, len(e.sinks) > 0)
	n, units := len(c.items), len(c.items)
	if e.inBatches {
		units = 1
	}
	e.ledger.add(c)
	e.counts.read.Add(int64(n))
	t := task[T, R]{chunk: c, hi: n, attempt: 1}
	if wait {
		return e.gate.Offer(t, units, c.bytes) // refused: the chunk stays in the ledger, pending
	}
	if e.gate.TryOffer(t, units, c.bytes) {
		return true
	}
	e.ledger.remove(c)
	e.counts.read.Add(int64(-n))
	return false
}

// handRest settles what lies between the last item of a split and its end, if anything does.
func (e *engine[T, R]) handRest(c *chunk[T, R]) {
	if e.commits.journal == nil || c.from == c.to && c.from != (Cursor{}) {
		return
	}
	e.commits.line.enter()
	defer e.commits.line.leave()
	e.commits.delivered(c, 0)
}

// enough says that earlier processes have taken MaxItems already.
func (e *engine[T, R]) enough() bool {
	most := e.opts.MaxItems
	if most == 0 || e.taken < most {
		return false
	}
	e.truncated.Store(true)
	return true
}

// chunkLimits is how large the next chunk should be: the batch, or as many items as a worker does in chunkTime.
func (e *engine[T, R]) chunkLimits() batch.Limits {
	if e.inBatches {
		return e.limits
	}
	mean := time.Duration(e.callTime.Load())
	if mean == 0 || mean > chunkTime/2 {
		return batch.Limits{Items: 1}
	}
	return batch.Limits{Items: int(min(maxChunk, chunkTime/mean)), Bytes: maxChunkBytes, Wait: chunkTime}
}

// countCalls counts the calls made for a task of c.
func (e *engine[T, R]) countCalls(c *chunk[T, R], n, attempt int) {
	e.counts.calls.Add(int64(n))
	c.calls.Add(int64(n))
	if attempt > 1 {
		e.counts.retries.Add(int64(n))
		c.retries.Add(int64(n))
	}
}

// noteTime learns from n calls that took elapsed together how long one takes.
func (e *engine[T, R]) noteTime(n int, elapsed time.Duration) {
	if n == 0 {
		return
	}
	each := max(1, int64(elapsed)/int64(n))
	old := e.callTime.Load()
	if old == 0 {
		old = each
	}
	e.callTime.Store(max(1, old+(each-old)/4)) // a lost update does no harm
}

// failed counts a failed item and stops the run if that is one too many.
func (e *engine[T, R]) failed(err *ItemError) {
	e.counts.failed.Add(1)
	e.mu.Lock()
	if len(e.first) < firstFailures {
		e.first = append(e.first, err)
	}
	e.mu.Unlock()
	e.judge()
}

// judge stops the run if more items failed than the tolerance allows.
func (e *engine[T, R]) judge() {
	if err := e.intolerable(); err != nil {
		e.stop(err)
	}
}

// intolerable returns a ToleranceError if more items failed than the tolerance allows.
func (e *engine[T, R]) intolerable() error {
	bad, of := e.counts.settled()
	ended := e.readAll.Load()
	if ended {
		of = e.counts.read.Load() - e.counts.skipped.Load()
	}
	tolerance := *e.tolerance.Load()
	if bad == 0 || !tolerance.exceeded(bad, of, ended) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return &ToleranceError{Tolerance: tolerance, Failed: bad, Of: of, First: append([]*ItemError(nil), e.first...)}
}
