package dmap

import "sync"

// recycler lends chunks and takes them back when they are delivered, so that a run of fast calls leaves nothing to collect.
// It takes none back where something may still hold what is in them: a sink that keeps results, or a call that was given up.
type recycler[T, R any] struct {
	off     bool
	lent    bool // the items are the function's: it gets batches, and may keep them
	chunks  sync.Pool
	results sync.Pool
}

// recyclable says that all that sees the insides of chunks lets go of them in time.
func (e *engine[T, R]) recyclable() bool {
	for _, o := range e.sinks {
		if _, ok := o.sink.(BorrowingSink); !ok {
			return false
		}
	}
	return e.opts.AbandonAfter == 0
}

// chunk returns an empty chunk of split for about n items.
func (p *recycler[T, R]) chunk(split *Split, n int) *chunk[T, R] {
	c, _ := p.chunks.Get().(*chunk[T, R])
	if c == nil {
		c = &chunk[T, R]{}
	}
	if cap(c.items) < n {
		c.items = make([]Item[T], 0, n)
	}
	c.split = split
	return c
}

// done takes back a chunk that has been delivered.
func (p *recycler[T, R]) done(c *chunk[T, R]) {
	if p.off {
		return
	}
	if p.lent {
		c.items = nil
	}
	clear(c.items)
	clear(c.slots)
	c.items, c.slots = c.items[:0], c.slots[:0]
	c.split, c.run, c.before = nil, nil, nil
	c.bytes, c.skips = 0, 0
	c.from, c.to = Cursor{}, Cursor{}
	c.calls.Store(0)
	c.retries.Store(0)
	p.chunks.Put(c)
}

// buffer lends a slice for results.
func (p *recycler[T, R]) buffer() *[]Result[R] {
	if p.off {
		return new([]Result[R])
	}
	if results, ok := p.results.Get().(*[]Result[R]); ok {
		return results
	}
	return new([]Result[R])
}

// written takes back a slice that the sinks have seen.
func (p *recycler[T, R]) written(results *[]Result[R]) {
	if p.off {
		return
	}
	clear(*results)
	*results = (*results)[:0]
	p.results.Put(results)
}
