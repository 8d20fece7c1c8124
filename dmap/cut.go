package dmap

import (
	"context"
	"sync"
)

// askEvery is after how many items of a piece the source is asked again whether to cut.
const askEvery = 512

// piece is a split, or what a cut has left of it, while one reader reads it.
type piece struct {
	mu    sync.Mutex // guards what follows; taken for each item only where pieces can be cut
	split Split      // From is where the reader is, To where it stops
	ended bool
}

// advance says that the reader comes to an item that ends at next. It is false if the item is no longer the reader's.
func (p *piece) advance(next Cursor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.split.To != (Cursor{}) && next.compare(p.split.To) > 0 {
		return false
	}
	p.split.From = next
	return true
}

// cut ends the piece at the cursor and returns what lies behind it, unless the reader has come that far.
func (p *piece) cut(at Cursor) (rest Split, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || at.compare(p.split.From) <= 0 || p.split.To != (Cursor{}) && at.compare(p.split.To) >= 0 {
		return Split{}, false
	}
	rest = p.split
	rest.From, p.split.To = at, at
	return rest, true
}

// end keeps the piece from being cut from now on, and returns its end.
func (p *piece) end() Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return p.split.To
}

func (p *piece) now() Split {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.split
}

// pieceKey is the context key under which Read finds the piece that it reads.
type pieceKey struct{}

// EndOf returns where s ends now, if it is what a source's Read has got together with ctx: a cut may have brought the end
// nearer. A Cutter looks before it asks its store for more.
func EndOf(ctx context.Context, s Split) Cursor {
	if p, ok := ctx.Value(pieceKey{}).(*piece); ok {
		return p.now().To
	}
	return s.To
}

// cuts finds work for readers that have none, by cutting the pieces of others. Readers come to it when no more splits
// are planned.
type cuts struct {
	trySplit func(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	reading []*piece
	idle    int
	news    bool // something has been read, or ended, since the source was asked
	asking  bool // one asks at a time
}

func newCuts(trySplit func(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)) *cuts {
	c := &cuts{trySplit: trySplit}
	c.changed.L = &c.mu
	return c
}

// begin takes note of a piece that is being read from now on, until end.
func (c *cuts) begin(s Split) *piece {
	p := &piece{split: s}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = append(c.reading, p)
	return p
}

// end says that p is not read any more, and returns where it ends.
func (c *cuts) end(p *piece) Cursor {
	to := p.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.reading {
		if other == p {
			c.reading = append(c.reading[:i], c.reading[i+1:]...)
			break
		}
	}
	c.news = true
	c.changed.Broadcast()
	return to
}

// progress says that the n-th item of a piece has been read, from 0.
func (c *cuts) progress(n int64) {
	if n%askEvery != 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = true
	if c.idle > 0 {
		c.changed.Broadcast()
	}
}

// next returns a piece for an idle reader, begun. It waits for one, and is nil when nothing is being read any more, or
// ctx has ended.
func (c *cuts) next(ctx context.Context) *piece {
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle++
	defer func() { c.idle-- }()
	for ctx.Err() == nil && len(c.reading) > 0 {
		if !c.news || c.asking {
			c.changed.Wait()
			continue
		}
		if p := c.ask(ctx); p != nil {
			return p
		}
	}
	return nil
}

// ask has the source cut one of the pieces; mu is held, but not while the source thinks.
func (c *cuts) ask(ctx context.Context) *piece {
	pieces := append([]*piece(nil), c.reading...)
	c.asking, c.news = true, false
	c.mu.Unlock()
	defer func() { // also when the source panics, or ends the goroutine
		c.asking = false
		c.changed.Broadcast()
	}()
	which, was, at, ok := c.choose(ctx, pieces)
	if !ok {
		return nil
	}
	rest, ok := pieces[which].cut(at)
	if !ok { // too late: asked again if the reader has gone on, else with the next news, so that a bad answer does not spin
		c.news = c.news || pieces[which].now() != was
		return nil
	}
	c.news = true // there may be another
	p := &piece{split: rest}
	c.reading = append(c.reading, p)
	return p
}

// choose asks the source, and takes mu again. was is how the piece stood that it chose.
func (c *cuts) choose(ctx context.Context, pieces []*piece) (which int, was Split, at Cursor, ok bool) {
	defer c.mu.Lock()
	splits := make([]Split, len(pieces))
	for i, p := range pieces {
		splits[i] = p.now()
	}
	which, at, ok = c.trySplit(ctx, splits)
	if !ok || which < 0 || which >= len(pieces) {
		return 0, was, at, false
	}
	return which, splits[which], at, true
}
