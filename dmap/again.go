package dmap

import (
	"context"
	"iter"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/journal"
)

// A redrive reads the items that it takes from the source again, and so does a run whose held items
// were decided. They come from stored lists, each of which is a split to the journal: a commit
// settles an interval of the list. One goroutine reads the lists and groups their items; the
// readers of the run take the groups.

// againGroupSize is how many items a group has, unless batches need more.
const againGroupSize = 64

// againPlanner groups taken items.
type againPlanner struct {
	lists   []journal.TakenPart
	read    func(ctx context.Context, part journal.TakenPart, from int64) iter.Seq2[journal.TakenItem, error]
	settled journal.IntervalSet
	seeks   func(split, version string) bool
	size    int // of a group
	groups  chan *againGroup

	group *againGroup      // that is being filled; nil: none
	route chan *againGroup // where the next group goes, instead of groups; nil: nowhere
	last  journal.TakenItem
}

// readAgain reads the taken items. all says that every one was read.
func (r *reader[T, R]) readAgain(ctx context.Context) (all bool, err error) {
	p := &againPlanner{
		lists: r.lists, read: r.durable.log.ReadList, settled: r.durable.settledBefore, groups: make(chan *againGroup), size: groupSize(r.pace),
		seeks: r.seeks,
	}
	n := max(defaultReaders, r.plan.Readers)
	if r.inOrder {
		n = 1
	}
	return r.phase(ctx, n, func(ctx context.Context) error {
		defer close(p.groups)
		if err := p.run(ctx); err != nil {
			if ctx.Err() != nil {
				return errStopped
			}
			return &SinkError{Op: "read", Err: err}
		}
		return nil
	}, func(ctx context.Context) error { return r.readGroups(ctx, p.groups) })
}

// seeks reports whether the items of a split may be read by several readers. The rows of an object
// that has changed are found in one pass.
func (r *reader[T, R]) seeks(split, version string) bool {
	return r.plan.seeks(split, version) && !r.changed.has(split, version)
}

// groupSize is the number of items of a group: a batch never spans two.
func groupSize(p *pace) int {
	switch {
	case !p.inBatches:
		return againGroupSize
	case p.limits.Items > 0:
		return p.limits.Items
	default:
		return batch.MaxItems
	}
}

// run sends all groups.
func (p *againPlanner) run(ctx context.Context) error {
	for _, part := range p.lists {
		gaps := p.settled.Gaps(part.Interval())
		if len(gaps) == 0 {
			continue
		}
		if err := p.runPart(ctx, part, gaps); err != nil {
			return err
		}
	}
	p.endRoute()
	return ctx.Err()
}

// runPart sends the groups of the unsettled items of a list.
func (p *againPlanner) runPart(ctx context.Context, part journal.TakenPart, gaps []journal.Interval) error {
	start := gaps[0].From.Offset // of the next item
	for item, err := range p.read(ctx, part, start) {
		if err != nil {
			return err
		}
		from := start
		start = item.After
		for len(gaps) > 0 && item.After > gaps[0].To.Offset {
			gaps = gaps[1:]
			if err := p.send(ctx); err != nil {
				return err
			}
		}
		if len(gaps) == 0 {
			break
		}
		if item.After <= gaps[0].From.Offset {
			continue
		}
		if err := p.add(ctx, part, from, item); err != nil {
			return err
		}
	}
	if p.group != nil && !p.seeks(p.last.Split, p.last.Version) {
		p.group.more = make(chan *againGroup, 1)
	}
	return p.send(ctx)
}

// add adds an item that starts at from in its list.
func (p *againPlanner) add(ctx context.Context, part journal.TakenPart, from int64, item journal.TakenItem) error {
	follows := item.Split == p.last.Split && item.Version == p.last.Version
	if p.group != nil && len(p.group.items) >= p.size && !(follows && !p.seeks(item.Split, item.Version)) {
		if err := p.send(ctx); err != nil {
			return err
		}
	}
	if p.group == nil {
		if !follows {
			p.endRoute()
		}
		p.group = &againGroup{split: Split{ID: part.Split, From: Cursor{Offset: from}}}
	}
	p.group.items = append(p.group.items, item)
	p.group.split.To = Cursor{Offset: item.After}
	p.last = item
	return nil
}

// send sends the group, to the reader of the list before if it continues there.
func (p *againPlanner) send(ctx context.Context) error {
	g := p.group
	if g == nil {
		return nil
	}
	p.group = nil
	to := p.groups
	if p.route != nil {
		to = p.route
	}
	p.route = g.more
	select {
	case to <- g:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endRoute says that nothing continues the last group.
func (p *againPlanner) endRoute() {
	if p.route != nil {
		close(p.route)
		p.route = nil
	}
}

// readGroups reads groups, each with those that continue it.
func (r *reader[T, R]) readGroups(ctx context.Context, groups <-chan *againGroup) error {
	for g := range groups {
		f := finder[T]{plan: &r.plan, mended: r.mended, changed: r.changed, rows: changedRows[T]{plan: &r.plan}}
		err := r.readGroupsFrom(ctx, g, &f)
		f.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader[T, R]) readGroupsFrom(ctx context.Context, g *againGroup, f *finder[T]) error {
	for g != nil {
		if err := r.readGroup(ctx, g, f); err != nil {
			return err
		}
		if g.more == nil {
			return nil
		}
		select {
		case g = <-g.more:
		case <-ctx.Done():
			return errStopped
		}
	}
	return nil
}

// readGroup reads the items of a group. If anything prevents that, the other items stay unsettled.
func (r *reader[T, R]) readGroup(ctx context.Context, g *againGroup, f *finder[T]) (err error) {
	s := g.split
	reading := newLap(r.clock, &r.meter.read)
	defer reading.stop()
	b := r.batcher(&s, &reading)
	finished := false
	defer func() { // also after a panic of the source
		if !b.flush() && err == nil {
			err = errStopped
		}
		if finished && err == nil {
			r.delivery.settleTail(b.tail(s.To))
		}
	}()
	for i := range g.items {
		taken := &g.items[i]
		item, from, err := f.find(ctx, g, i)
		if err != nil {
			return r.fault(Split{ID: taken.Split, Version: taken.Version}, err)
		}
		if !r.takeAgain(b, &item, taken, &from) {
			return errStopped
		}
	}
	finished = true
	return nil
}

// takeAgain adds an item to the batch, or counts it as skipped. from is where the source has it
// now. It returns false when the run stops.
func (r *reader[T, R]) takeAgain(b *batcher[T, R], item *Item[T], taken *journal.TakenItem, from *origin) bool {
	item.Key, item.Offset, item.Index = taken.Key, taken.Offset, taken.Index
	item.Next = Cursor{Offset: taken.After}
	if item.Err != nil && !skips(item.Err) && r.cutOff(item.Err) {
		return false
	}
	if r.again.Add(1); r.leased {
		r.tally.read.Add(1)
	}
	if skips(item.Err) {
		r.tally.skipped.Add(1)
		b.skip(item)
		return !r.stopper.noMore.Load()
	}
	return b.addAgain(item, from)
}

// waiting is the number of listed items that were not read, and of those that a trial leaves
// pending.
func (r *reader[T, R]) waiting() int64 {
	if r.leased {
		return 0
	}
	n := r.outstanding - r.again.Load()
	if r.redrive != nil {
		n += r.redrive.Rest
	}
	return n
}
