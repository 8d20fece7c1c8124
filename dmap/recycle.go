package dmap

import "sync"

// recycler lends chunks and takes them back after delivery, so that a run of fast calls leaves
// nothing for the garbage collector.
type recycler[T, R any] struct {
	off     bool // something may hold the content of chunks: a sink that keeps results, or an abandoned call
	lent    bool // the function gets batches, and may keep their items
	chunks  sync.Pool
	results sync.Pool
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

// done takes back a chunk after its delivery.
func (p *recycler[T, R]) done(c *chunk[T, R]) {
	if p.off || c.starts != nil { // items that moved got memory of the right size, which fits no other chunk
		return
	}
	if p.lent {
		c.items = nil
	}
	clear(c.items)
	clear(c.entries)
	c.items, c.entries = c.items[:0], c.entries[:0]
	c.split, c.run, c.before = nil, nil, nil
	c.origins = nil
	c.bytes, c.skips, c.level, c.holds = 0, 0, 0, false
	c.from, c.to, c.end = Cursor{}, Cursor{}, prefixEnd{}
	c.calls, c.retries, c.used, c.interrupted = 0, 0, 0, 0
	p.chunks.Put(c)
}

// buffer lends an empty slice for results.
func (p *recycler[T, R]) buffer() *[]Result[R] {
	if p.off {
		return new([]Result[R])
	}
	if results, ok := p.results.Get().(*[]Result[R]); ok {
		return results
	}
	return new([]Result[R])
}

// written takes back a slice of results after the sinks have returned.
func (p *recycler[T, R]) written(results *[]Result[R]) {
	if p.off {
		return
	}
	clear(*results)
	*results = (*results)[:0]
	p.results.Put(results)
}
