package dmap

import (
	"context"

	"github.com/go-dmap/dmap/batch"
)

// delivery sends the results of settled chunks to the sinks and adds them to the commit window.
type delivery[T, R any] struct {
	sinks    *sinkSet[R]
	durable  *durable
	tally    *tally
	stopper  *stopper
	inflight *inflight[T, R]
	recycler *recycler[T, R]
	clock    runClock
	meter    *meter
}

// deliver delivers a chunk whose items are all settled and closes it.
func (d *delivery[T, R]) deliver(c *chunk[T, R]) {
	d.store(d.stopper.sinks.ctx, c)
	d.stopIfEnough()
	d.inflight.remove(c)
	d.inflight.closed(c)
	d.recycler.done(c)
}

// store sends the settled items of c to the sinks, and adds them to the commit window if every sink
// has them.
func (d *delivery[T, R]) store(ctx context.Context, c *chunk[T, R]) {
	if d.durable.on() {
		d.durable.barrier.enter()
		defer d.durable.barrier.leave()
	}
	results := d.recycler.buffer()
	*results = c.outcomes(*results)
	rejections, ok := d.write(ctx, c, *results)
	d.recycler.written(results)
	if ok && c.holds {
		ok = d.sinks.writeHeld(ctx, c.heldItems())
	}
	if ok {
		d.settle(c, rejections)
		d.countStored(c, rejections)
	}
}

// settle adds c, of which some successes were rejected, to the commit window.
func (d *delivery[T, R]) settle(c *chunk[T, R], rejections int64) {
	if !d.durable.on() {
		return
	}
	counts := c.counts()
	counts.Succeeded -= rejections
	counts.Failed += rejections
	d.durable.delivered(c.intervals(), counts)
	if p, ok := c.prefix(); ok {
		d.durable.readPrefix(p)
	}
}

// write sends the results of c to the sinks and counts the successes that a sink rejected.
func (d *delivery[T, R]) write(ctx context.Context, c *chunk[T, R], results []Result[R]) (rejections int64, ok bool) {
	if len(results) == 0 {
		return 0, true
	}
	inSinks := newLap(d.clock, &d.meter.sinks)
	defer inSinks.stop()
	rejected, ok := d.sinks.write(ctx, results, func(errs batch.Errors) []Result[R] { return c.asFailures(results, errs) })
	for i, err := range rejected {
		rejections++
		d.tally.shard(0).Add(-1)
		if err := d.tally.fail(&ItemError{Info: results[i].Info, Err: err}); err != nil {
			d.stopper.stop(err)
		}
	}
	return rejections, ok
}

// settleTail settles the part of a split after its last item, if there is one.
func (d *delivery[T, R]) settleTail(tail *chunk[T, R]) {
	if !d.durable.on() || tail.from == tail.to && tail.from != (Cursor{}) {
		return
	}
	d.durable.barrier.enter()
	defer d.durable.barrier.leave()
	d.settle(tail, 0)
}

// collect delivers the settled items of open chunks and returns the others. No call runs any more.
func (d *delivery[T, R]) collect(ctx context.Context) []Pending {
	var pending []Pending
	for _, c := range d.inflight.open() {
		if d.durable.dead.Load() { // no results are stored any more
			pending = append(pending, c.pending()...)
			continue
		}
		c.interrupt()
		if err := isolated(func() error { d.store(ctx, c); return nil }); err != nil {
			d.sinks.fail("write", err)
		}
		pending = append(pending, c.pending()...)
	}
	return pending
}

// countStored counts successes that the sinks have, for Options.Enough.
func (d *delivery[T, R]) countStored(c *chunk[T, R], rejections int64) {
	if d.tally.enough.of == 0 {
		return
	}
	n := -rejections
	for i := range c.entries {
		if c.entries[i].state == succeeded {
			n++
		}
	}
	d.tally.enough.stored.Add(n)
}

// stopIfEnough stops the run when enough items have succeeded.
func (d *delivery[T, R]) stopIfEnough() {
	if d.tally.enough.reached() {
		d.stopper.stop(errEnoughSucceeded)
	}
}
