package dmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/fingerprint"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/notice"
	"github.com/go-dmap/dmap/internal/ownresults"
	"github.com/go-dmap/dmap/internal/requests"
	"github.com/go-dmap/dmap/internal/scrub"
)

// defaultReaders is how many splits are read at once if the Plan does not say.
const defaultReaders = 8

// reader turns a source into chunks: one goroutine plans splits, others read them.
type reader[T, R any] struct {
	plan     Plan[T]
	name     string              // of the source, in errors
	folders  []ownresults.Folder // of the sinks: the source must not read them
	runID    string
	inOrder  bool  // one goroutine reads: for an exact MaxItems, or to keep the order with a single call at once
	maxItems int64 // 0: no limit

	stopper  *stopper
	tally    *tally
	pace     *pace
	durable  *durable
	recycler *recycler[T, R]
	inflight *inflight[T, R]
	delivery *delivery[T, R]
	clock    runClock
	meter    *meter

	adapts   bool // the requests of the source follow a store that throttles
	requests requests.Limits

	ignorance time.Duration // how long the source may ignore the end of its context
	abandoned atomic.Bool   // it was abandoned

	splits  chan *piece
	divider *divider    // nil: readers that run out of splits leave
	taken   int64       // of maxItems; only the one reader counts
	exited  atomic.Bool // the source ended the goroutine of a reader

	mu       sync.Mutex // guards the fields below
	left     []Split    // planned or begun, and not read to their end
	holes    []Split    // the same, of a source that was read to its end: broken objects, empty listings
	doubtful []*leaf    // perhaps listings without objects
	none     []error    // of listings without objects, at most firstFailures
	last     *Split     // the last planned split
	complete bool       // the planning has reached the end of the source

	redrive     *journal.Redrive    // nil: the run is not redriven
	mended      *journal.Mended     // objects that had broken off; nil: there are none
	changed     *changedObjects     // nil: rows of objects that have changed are not taken
	lists       []journal.TakenPart // of items to read again
	again       atomic.Int64        // of these, items that were read, or found to be skipped
	outstanding int64               // taken items that had not settled when the process began
	leased      bool                // the run is a lease: taken items are new to it
}

var (
	errEnough  = errors.New("enough items") // MaxItems is reached
	errStopped = errors.New("stopped")      // the gate takes nothing more
)

// run reads the source to its end, to MaxItems, or until the run stops. all says that nothing is
// left to read; err is the error of the source.
func (r *reader[T, R]) run(ctx context.Context) (all bool, err error) {
	ctx = notice.With(ctx, r.stopper.log.noticed())
	if r.adapts {
		ctx = requests.With(ctx, &r.requests)
	}
	ctx = withOwnResults(ctx, r.folders, r.stopper.log, r.runID)
	if r.redrive != nil || len(r.lists) > 0 {
		all, err := r.readAgain(ctx)
		if again := r.redrive; !all || again != nil && (again.Done || again.Trial) {
			r.tally.truncated.Store(r.maxItems > 0 && r.durable.takenBefore >= r.maxItems)
			return all, err
		}
	}
	if r.taken = r.durable.takenBefore; r.maxItems > 0 && r.taken >= r.maxItems {
		r.tally.truncated.Store(true)
		return true, nil
	}
	r.splits = make(chan *piece)
	return r.phase(ctx, r.readers(), func(ctx context.Context) error {
		defer close(r.splits)
		return r.planSplits(ctx)
	}, r.readSplits)
}

// phase runs plan on one goroutine and read on n, and waits for all of them.
func (r *reader[T, R]) phase(ctx context.Context, n int, plan, read func(context.Context) error) (all bool, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.guarded(func() error { return plan(ctx) }) })
	for range n {
		group.Go(func() error { return r.guarded(func() error { return read(ctx) }) })
	}
	err = within(r.stopper.read.ctx, r.ignorance, "the source", group.Wait)
	if _, ignored := err.(*ignoredError); ignored { //nolint:errorlint // as within returns it
		r.abandoned.Store(true)
		return false, &SourceError{Source: r.name, Err: err}
	}
	r.judgeLeaves(err == nil && !r.exited.Load())
	switch {
	case err == nil && r.exited.Load():
		return false, &SourceError{Source: r.name, Err: ErrGoexit}
	case err == nil, matches(err, errEnough):
		return true, nil
	case matches(err, errStopped), r.stopper.stopping.Load():
		return false, nil
	default:
		return false, err
	}
}

// readers is how many goroutines read. It makes the divider if splits may be divided.
func (r *reader[T, R]) readers() int {
	if r.inOrder {
		return 1
	}
	if r.plan.TrySplit != nil {
		r.divider = newDivider(r.plan.TrySplit)
	}
	if r.plan.Readers < 1 {
		return defaultReaders
	}
	return r.plan.Readers
}

// guarded turns a panic or a Goexit of the source into an error.
func (r *reader[T, R]) guarded(f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		if p == nil {
			r.exited.Store(true) // the goroutine ends here, so nobody gets err
			return
		}
		err = &SourceError{Source: r.name, Err: newPanicError(p)}
	}()
	err = f()
	returned = true
	return err
}

// planSplits passes the unsettled parts of every split to the readers.
func (r *reader[T, R]) planSplits(ctx context.Context) error {
	for s, err := range timed(r.pieces(ctx), newLap(r.clock, &r.meter.plan)) {
		if err != nil {
			if err = r.endPlan(err); err != nil {
				return err
			}
			break
		}
		if changed, err := r.identify(ctx, &s); err != nil {
			return err
		} else if changed {
			r.planned(s)
			continue
		}
		err := r.passParts(ctx, s)
		r.planned(s)
		if err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complete = true
	return nil
}

// passParts passes the unsettled parts of a split to the readers. The parts that no reader takes
// before the run stops are left.
func (r *reader[T, R]) passParts(ctx context.Context, s Split) (err error) {
	l := r.leafOf(s)
	for _, parts := range r.readings(gaps(r.durable.settledBefore, s)) {
		if err != nil {
			r.leaveAll(parts)
			continue
		}
		p := r.begin(parts, l)
		select {
		case r.splits <- p:
		case <-ctx.Done():
			err = errStopped
			if r.divider != nil { // a reader may have divided it
				parts[0].To = r.divider.finish(p)
			}
			r.leaveAll(parts)
		}
	}
	return err
}

func (r *reader[T, R]) leaveAll(parts []Split) {
	for _, part := range parts {
		r.leave(part)
	}
}

// pieces returns the splits of the source; for a run that resumes perhaps only those with unsettled
// items.
func (r *reader[T, R]) pieces(ctx context.Context) iter.Seq2[Split, error] {
	settled := r.durable.settledBefore
	if r.plan.Resume == nil || len(settled) == 0 {
		return r.plan.Splits(ctx)
	}
	return r.plan.Resume(ctx, func(id string) (Cursor, bool) {
		end, ok := settled.Prefix(id)
		return Cursor(end), ok
	})
}

func (r *reader[T, R]) planned(s Split) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = &s
}

// readSplits reads planned splits, then parts of the splits of other readers.
func (r *reader[T, R]) readSplits(ctx context.Context) error {
	for p := range r.splits {
		if err := r.readPiece(ctx, p); err != nil {
			return err
		}
	}
	if r.divider == nil {
		return nil
	}
	for p := r.divider.next(ctx); p != nil; p = r.divider.next(ctx) {
		if err := r.readItems(ctx, p, r.plan.Read); err != nil {
			return err
		}
	}
	return nil
}

// readPiece reads p by Fill or by Read.
func (r *reader[T, R]) readPiece(ctx context.Context, p *piece) error {
	if r.plan.Fill != nil && r.divider == nil {
		return r.fillPiece(ctx, p)
	}
	if len(p.parts) > 1 {
		return r.readSpan(ctx, p.parts)
	}
	return r.readItems(ctx, p, r.plan.Read)
}

// readings groups unsettled parts of a split by the readings that cover them. Parts that can be
// divided, or filled from memory, are read each for itself.
func (r *reader[T, R]) readings(parts []Split) [][]Split {
	if r.divider == nil && r.plan.Fill == nil {
		return spans(parts)
	}
	return slices.Collect(slices.Chunk(parts, 1))
}

// begin makes a piece of parts of a split. From then on a single one can be divided.
func (r *reader[T, R]) begin(parts []Split, l *leaf) *piece {
	if r.divider == nil {
		return &piece{split: parts[0], parts: parts, leaf: l}
	}
	return r.divider.register(parts[0], l)
}

// enqueue passes a chunk to the workers. The wait for space is no part of the time of reading.
func (r *reader[T, R]) enqueue(reading *lap) func(c *chunk[T, R], wait bool) bool {
	return func(c *chunk[T, R], wait bool) bool {
		if wait { // else a timer calls
			reading.stop()
			defer reading.start()
		}
		return r.inflight.enqueue(c, wait)
	}
}

// batcher returns the batcher of a split, whose waits for space are no part of reading.
func (r *reader[T, R]) batcher(s *Split, reading *lap) *batcher[T, R] {
	b := &batcher[T, R]{
		split: s, from: s.From, at: s.From,
		limits: r.pace.chunkLimits, fresh: r.recycler.chunk, enqueue: r.enqueue(reading), over: &r.stopper.noMore,
	}
	if r.durable.quarantine != nil {
		b.level, b.capped = r.level, r.capped
	}
	return b
}

// readItems reads p to its end, item by item. If anything prevents that, the part after the last
// item read is left.
func (r *reader[T, R]) readItems(ctx context.Context, p *piece, read func(context.Context, Split) iter.Seq2[Item[T], error]) (err error) {
	s := p.now()
	reading := newLap(r.clock, &r.meter.read)
	defer reading.stop()
	b := r.batcher(&s, &reading)
	var end pieceEnd
	var fault error // of the source
	defer func() {  // also after a panic of the source
		rest := s
		if r.divider != nil {
			rest.To = r.divider.finish(p)
		}
		if !b.flush() && err == nil {
			err = errStopped
		}
		if rest.From = b.at; end == endEarly || err != nil {
			r.leaveRest(rest, fault)
			return
		}
		r.endPiece(p.leaf, s.From, end, fault, b, rest)
	}()
	var n int64
	if r.divider != nil {
		ctx = context.WithValue(ctx, pieceKey{}, p)
	}
	ctx, b.prefix = r.followPrefix(ctx, s.ID)
	if r.places() {
		ctx, b.place = withPlacing(ctx)
	}
	for item, err := range read(ctx, s) {
		if err == nil && r.durable.on() {
			err = checkCursor(&s, b.at, &item)
		}
		if err != nil {
			fault = err
			end, err = r.endOf(s, err)
			return err
		}
		if !r.owns(p, &item) { // the source does not know the end of a divided piece
			end = endPassed
			return r.takePassed(b, &item, p.now().To)
		}
		if err := r.take(b, &item); err != nil {
			return err
		}
		if r.divider != nil {
			r.divider.progress(n)
			n++
		}
	}
	end = endRead
	return nil
}

// places reports whether failed items are recorded with the place from which their Index counts.
func (r *reader[T, R]) places() bool { return r.plan.Layout != nil && r.durable.on() }

// level is that of an item in a run with a quarantine.
func (r *reader[T, R]) level(s *Split, from, to Cursor) int {
	return r.durable.quarantine.level(journal.Interval{Split: s.ID, From: journal.Cursor(from), To: journal.Cursor(to)})
}

// capped returns the limits of a chunk of a level in a run with a quarantine.
func (r *reader[T, R]) capped(level int, l batch.Limits) batch.Limits {
	return r.durable.quarantine.limits(level, r.pace.inBatches, l)
}

// owns reports whether an item that the source yields for p belongs to it: p may have been divided
// in the meantime.
func (r *reader[T, R]) owns(p *piece, item *Item[T]) bool {
	if r.divider != nil {
		return p.advance(item.Next)
	}
	to := p.split.To
	return to == Cursor{} || item.Next.compare(to) <= 0
}

// checkCursor refuses cursors that do not grow: their intervals would be empty in the journal.
func checkCursor[T any](s *Split, before Cursor, item *Item[T]) error {
	if item.Next.compare(before) > 0 {
		return nil
	}
	return fmt.Errorf("split %q, item %q: its Next %+v does not lie after %+v", s.ID, item.ID(), item.Next, before)
}

// take adds an item to the batch, unless it is skipped or stands for the rest of a broken object.
func (r *reader[T, R]) take(b *batcher[T, R], item *Item[T]) error {
	if item.Err != nil {
		if taken, err := r.takeNoItem(b, item); taken {
			return err
		}
	}
	b.saw.object = true
	if !b.add(item) {
		return errStopped
	}
	return r.count(1)
}

// count counts items for MaxItems. It returns errEnough with the last item that MaxItems allows.
func (r *reader[T, R]) count(n int) error {
	if r.maxItems == 0 {
		return nil
	}
	if r.taken += int64(n); r.taken == r.maxItems {
		r.tally.truncated.Store(true)
		return errEnough
	}
	return nil
}

// leave records a part of the source that is not read.
func (r *reader[T, R]) leave(s Split) {
	if s.From == s.To && s.To != (Cursor{}) {
		return // it was read to its end
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, s)
}

// fault makes a SourceError of an error of the source.
func (r *reader[T, R]) fault(s Split, err error) error {
	if r.stopper.input.ctx.Err() != nil {
		return errStopped // most likely the error is that of the context
	}
	if differs, ok := guard.As[*fingerprint.Difference](err); ok {
		err = &SpecError{RunID: r.runID, Fields: []string{fmt.Sprintf("items of %q: %v", s.ID, differs)}}
	}
	return &SourceError{Source: r.name, Split: s, Err: err}
}

// unread returns the part of the source that was not read. It is called after run has returned.
func (r *reader[T, R]) unread() Unread {
	if r.tally.readAll.Load() {
		return Unread{Splits: r.holes}
	}
	if r.abandoned.Load() { // what its readers have left is not known
		u := Unread{All: true}
		for _, v := range r.durable.settledBefore.All() {
			u.Settled = append(u.Settled, splitOf(v))
		}
		return u
	}
	u := Unread{Splits: slices.Concat(r.left, r.holes)}
	if r.complete || r.redrive != nil && r.redrive.Done {
		return u
	}
	u.After, u.All = r.last, r.last == nil
	for _, v := range r.durable.settledBefore.All() {
		if journal.IsTakenSplit(v.Split) {
			continue
		}
		u.Settled = append(u.Settled, splitOf(v))
	}
	return u
}

// maxName is how many bytes of the name of a source count.
const maxName = 64 << 10

// sourceName is the name of a source in errors and records, without secrets: with other ones the
// source is the same.
func sourceName(src any) string {
	s, ok := src.(fmt.Stringer)
	if !ok {
		return fmt.Sprintf("%T", src)
	}
	name, how := guard.Call(func() string { return scrub.Secrets(scrub.Clipped(s.String(), maxName)) })
	if how != "" {
		return fmt.Sprintf("%T, whose String method %s", src, how)
	}
	return name
}
