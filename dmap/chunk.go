package dmap

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/journal"
)

// chunk is a few contiguous items of one split that travel through the engine together; in MapBatch
// it is one batch. It is the unit of delivery: when its last item is settled, its results go to the
// sinks in source order.
//
// A chunk belongs to one worker at a time, which passes it on through the gate, so its entries need
// no lock. Items that must wait for a retry or a slot do not hold up the others: they move to a
// chunk of their own.
type chunk[T, R any] struct {
	run     *calls
	split   *Split
	items   []Item[T]
	bytes   int64
	from    Cursor    // the chunk settles the items after from
	to      Cursor    // up to and including the item whose Next is to
	end     prefixEnd // at to, in a sequence
	starts  []Cursor  // of each item, in a chunk of items that moved; nil: where the item before it ends
	before  []int64   // items that the source skipped right before each item; nil: none
	skips   int64     // the same for a chunk without items, at the end of a split
	calls   int64
	retries int64
	used    int64 // bytes of the items of these calls

	interrupted int64 // calls that the end of the process interrupted

	entries []entry[R]
	origins []origin // of the items that a redrive reads again; nil: their split is that of the chunk
	keeps   bool     // somebody reads results
	holds   bool     // an item is held
	placed  bool     // the Index of items counts from the start of split, for Position.From
	header  string   // of their object: see SetHeader
	level   int      // of suspects, see quarantine.level; 0: of other items

	prev, next *chunk[T, R] // neighbors among the open chunks; guarded by inflight.mu
}

// state is where an item stands.
type state uint8

const (
	unsettled state = iota
	moved           // to another chunk
	succeeded
	failed
	skipped
	held
)

// settled reports whether the item has an outcome in this chunk. A hold is one to the journal.
func (s state) settled() bool { return s > moved }

// entry is the outcome of the latest call for an item; only its state if nobody reads results.
type entry[R any] struct {
	value   R
	err     error
	elapsed time.Duration
	attempt int32
	state   state
}

// task is a chunk that a worker works on, or will. All of its items are at the same attempt.
type task[T, R any] struct {
	chunk     *chunk[T, R]
	attempt   int
	throttled throttleState
}

// context is what the contexts of the task's calls share.
func (t *task[T, R]) context() *taskContext {
	return &taskContext{calls: t.chunk.run, split: t.chunk.split.ID, attempt: t.attempt}
}

// seal prepares a filled chunk for the workers.
func (c *chunk[T, R]) seal(run *calls, withResults bool) {
	n := len(c.items)
	c.run, c.keeps = run, withResults
	if cap(c.entries) < n {
		c.entries = make([]entry[R], cap(c.items))
	}
	c.entries = c.entries[:n]
}

// move moves some unsettled items, in source order, to a new chunk.
func (c *chunk[T, R]) move(items []int) *chunk[T, R] {
	n := len(items)
	m := &chunk[T, R]{
		run: c.run, split: c.split, keeps: c.keeps, placed: c.placed, header: c.header, from: c.start(items[0]), to: c.items[items[n-1]].Next,
		items: make([]Item[T], n), entries: make([]entry[R], n), starts: make([]Cursor, n),
	}
	for k, i := range items {
		m.items[k], m.entries[k], m.starts[k] = c.items[i], c.entries[i], c.start(i)
		m.bytes += c.items[i].Size
		c.entries[i].state = moved
	}
	if c.before != nil {
		m.before = make([]int64, n)
		for k, i := range items {
			m.before[k] = c.before[i]
		}
	}
	if c.origins != nil {
		m.origins = make([]origin, n)
		for k, i := range items {
			m.origins[k] = c.origins[i]
		}
	}
	return m
}

// skippedBefore says how many items the source skipped right before the last item.
func (c *chunk[T, R]) skippedBefore(skips int64) {
	n := len(c.items)
	if skips > 0 && c.before == nil {
		c.before = make([]int64, n-1, cap(c.items))
	}
	if c.before != nil {
		c.before = append(c.before, skips)
	}
}

// prepare fills in the context of a call for item i, or for a batch that it begins.
func (c *chunk[T, R]) prepare(ctx *callContext, task *taskContext, i int) {
	item := &c.items[i]
	ctx.task, ctx.key, ctx.offset, ctx.index = task, item.Key, item.Offset, item.Index
}

// taskOf is the context of the task for a call for item i, or for a batch of it and others, if a
// redrive reads the items again.
func (c *chunk[T, R]) taskOf(task taskContext, i int, others ...int) *taskContext {
	task.split, task.decisions = c.origins[i].split, c.decisions(i, others)
	return &task
}

func (c *chunk[T, R]) info(i, attempt int) Info {
	item := &c.items[i]
	return Info{
		RunID: c.run.runID, Redrive: c.run.redrive, Split: c.splitOf(i), Key: item.Key, Offset: item.Offset, Index: item.Index,
		Attempt: attempt, Decision: c.decision(i),
	}
}

// splitOf is the ID of the split in which the source yields item i.
func (c *chunk[T, R]) splitOf(i int) string {
	if c.origins != nil {
		return c.origins[i].split
	}
	return c.split.ID
}

// record keeps the outcome of the latest call for item i.
func (c *chunk[T, R]) record(i, attempt int, value R, err error, elapsed time.Duration) {
	if !c.keeps {
		return
	}
	s := &c.entries[i]
	s.value, s.err, s.elapsed, s.attempt = value, err, elapsed, int32(attempt)
}

// outcomes returns the results of the settled items in source order, without the skipped ones, in
// the space of buf, which is empty.
func (c *chunk[T, R]) outcomes(buf []Result[R]) []Result[R] {
	if !c.keeps {
		return buf
	}
	buf = slices.Grow(buf, len(c.entries))
	out := buf[:len(c.entries)]
	n := 0
	for i := range c.entries {
		s, item := &c.entries[i], &c.items[i]
		if s.state != succeeded && s.state != failed {
			continue
		}
		r := &out[n] // field by field: a composite would be built first and copied then
		r.RunID, r.Redrive, r.Split = c.run.runID, c.run.redrive, c.splitOf(i)
		r.Key, r.Offset, r.Index, r.Attempt = item.Key, item.Offset, item.Index, int(s.attempt)
		r.Value, r.Err, r.Elapsed = s.value, s.err, s.elapsed
		r.Input = &item.Value
		if c.origins != nil { // else it is nil already
			r.Decision = c.origins[i].decision
		}
		if s.state == failed {
			r.At = c.position(i)
		}
		n++
	}
	return out[:n]
}

// asFailures returns those of results, the outcomes of c, that errs names by position, as failures.
func (c *chunk[T, R]) asFailures(results []Result[R], errs batch.Errors) []Result[R] {
	var out []Result[R]
	n := -1 // position of item i in results
	for i := range c.entries {
		if s := c.entries[i].state; s != succeeded && s != failed {
			continue
		}
		n++
		if err := errs[n]; err != nil {
			r := Result[R]{Info: results[n].Info, Err: err, Input: results[n].Input, Elapsed: results[n].Elapsed, At: c.position(i)}
			out = append(out, r)
		}
	}
	return out
}

// pending returns the items that have no outcome.
func (c *chunk[T, R]) pending() []Pending {
	var out []Pending
	for i := range c.entries {
		s := &c.entries[i]
		if s.state != unsettled {
			continue
		}
		p := Pending{Info: c.info(i, int(s.attempt)), Input: &c.items[i].Value, Err: s.err, At: c.at(i), taken: c.origins != nil}
		if err := c.items[i].Err; p.Err == nil && err != nil { // else its zero value would pass for an input
			p.Err = &ReadError{err}
		}
		out = append(out, p)
	}
	return out
}

// counts is what the chunk adds to the counts of the run.
func (c *chunk[T, R]) counts() journal.Counts {
	n := journal.Counts{Read: c.skips, Skipped: c.skips, Calls: c.calls, Retries: c.retries, Bytes: c.used, Interrupted: c.interrupted}
	for i := range c.entries {
		switch c.entries[i].state {
		case succeeded:
			n.Succeeded++
		case failed:
			n.Failed++
		case skipped:
			n.Skipped++
		case held:
			n.Held++
		default:
			continue
		}
		n.Read++
		n.Taken++
		if c.before != nil {
			n.Read += c.before[i]
			n.Skipped += c.before[i]
		}
	}
	if journal.IsTakenSplit(c.split.ID) {
		n.Read, n.Taken, n.Again, n.Gone = 0, 0, n.Read, c.gone()
	}
	return n
}

// interrupt takes the calls of a chunk without any outcome out of its calls: they were interrupted.
// They are no attempts, but a budget has paid for them.
func (c *chunk[T, R]) interrupt() {
	for i := range c.entries {
		if c.entries[i].state != unsettled {
			return
		}
	}
	c.interrupted, c.calls, c.retries = c.calls, 0, 0
}

// gone is the number of settled items that the source no longer has.
func (c *chunk[T, R]) gone() (n int64) {
	for i := range c.entries {
		if c.entries[i].state == failed && isGone(c.items[i].Err) {
			n++
		}
	}
	return n
}

// position returns where to read item i again.
func (c *chunk[T, R]) position(i int) *Position {
	at := c.at(i)
	return &at
}

// at is where the source yields item i.
func (c *chunk[T, R]) at(i int) Position {
	if c.origins != nil {
		return c.origins[i].position()
	}
	at := Position{Version: c.split.Version, Start: c.start(i), Next: c.items[i].Next}
	if c.placed {
		from := c.split.From
		at.From, at.Header = &from, c.header
	}
	return at
}

// start is the cursor of item i: a reading of the split from there yields item i first.
func (c *chunk[T, R]) start(i int) Cursor {
	if c.starts != nil {
		return c.starts[i]
	}
	if i > 0 {
		return c.items[i-1].Next
	}
	return c.from
}

// interval is what item i settles.
func (c *chunk[T, R]) interval(i int) journal.Interval { return c.settles(c.start(i), c.items[i].Next) }

func (c *chunk[T, R]) settles(from, to Cursor) journal.Interval {
	return journal.Interval{
		Split: c.split.ID, Version: c.split.Version, From: journal.Cursor(from), To: journal.Cursor(to),
	}
}

// trials announces the items from lo on.
func (c *chunk[T, R]) trials(lo int) (out []journal.Trial) {
	if c.starts == nil {
		v := c.settles(c.start(lo), c.items[len(c.items)-1].Next)
		return []journal.Trial{{Item: v, ID: c.items[lo].ID(), Live: true}}
	}
	for i := lo; i < len(c.items); i++ {
		out = append(out, journal.Trial{Item: c.interval(i), ID: c.items[i].ID(), Live: true})
	}
	return out
}

// intervals returns what the chunk settles: all of it, or the parts between the items that are not
// settled.
func (c *chunk[T, R]) intervals() []journal.Interval {
	if c.starts != nil {
		return c.scattered()
	}
	var out []journal.Interval
	from := c.from
	open := true // an interval starts at from
	for i := range c.entries {
		settled := c.entries[i].state.settled()
		switch {
		case !settled && open:
			if i > 0 {
				out = append(out, c.settles(from, c.items[i-1].Next))
			}
			open = false
		case settled && !open:
			from, open = c.items[i-1].Next, true
		}
	}
	if open {
		out = append(out, c.settles(from, c.to))
	}
	return out
}

// scattered is intervals for a chunk whose items need not follow each other in the source.
func (c *chunk[T, R]) scattered() []journal.Interval {
	var out []journal.Interval
	for i := range c.entries {
		if c.entries[i].state.settled() {
			out = append(out, c.interval(i))
		}
	}
	return out
}

// prefix is the prefix of a sequence that ends with c. ok is false if c is of another kind of
// split, whose cursors do not count items.
func (c *chunk[T, R]) prefix() (p journal.Prefix, ok bool) {
	ended := c.to == Cursor{}
	if !c.end.known || !ended && c.to != (Cursor{Offset: c.end.items}) {
		return p, false
	}
	return journal.Prefix{Split: c.split.ID, Items: c.end.items, Hash: c.end.sum.String(), Ended: ended}, true
}

// decision is that about item i, nil if it was not held.
func (c *chunk[T, R]) decision(i int) *Decision {
	if c.origins == nil {
		return nil
	}
	return c.origins[i].decision
}

// decisions are those about item i and others; nil if there are none.
func (c *chunk[T, R]) decisions(i int, others []int) (out []*Decision) {
	out, some := append(make([]*Decision, 0, 1+len(others)), c.decision(i)), c.decision(i) != nil
	for _, o := range others {
		d := c.decision(o)
		out, some = append(out, d), some || d != nil
	}
	if !some {
		return nil
	}
	return out
}

// holdsOf is how often item i was held in earlier calls.
func (c *chunk[T, R]) holdsOf(i int) int {
	if d := c.decision(i); d != nil {
		return d.Holds
	}
	return 0
}

// heldItems returns the held items, whose Err is a *HoldError.
func (c *chunk[T, R]) heldItems() (out []Result[R]) {
	for i := range c.entries {
		if s := &c.entries[i]; s.state == held {
			out = append(out, Result[R]{
				Info: c.info(i, int(s.attempt)), Err: s.err, Input: &c.items[i].Value, Elapsed: s.elapsed, At: c.position(i),
			})
		}
	}
	return out
}
