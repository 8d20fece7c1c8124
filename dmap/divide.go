package dmap

import (
	"context"
	"slices"
	"sync"
)

// askEvery is the number of items of a piece after which the source is asked again for a division.
const askEvery = 512

// trySplit is Plan.TrySplit.
type trySplit func(ctx context.Context, reading []Split) (which int, at Cursor, ok bool)

// piece is a split, or a part of one after a division, while one reader reads it.
type piece struct {
	mu    sync.Mutex // guards the fields below; taken for each item only if the source can divide splits
	split Split      // From is the position of the reader, To where it stops
	ended bool
	leaf  *leaf // of all pieces of the planned split

	parts []Split // that one reading covers, unless the source can divide splits
}

// advance moves the reader to the end of an item. It returns false if the item does not belong to
// the piece any more.
func (p *piece) advance(next Cursor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.split.To != (Cursor{}) && next.compare(p.split.To) > 0 {
		return false
	}
	p.split.From = next
	return true
}

// divide ends the piece at the cursor and returns the rest. It returns false if the reader has
// passed the cursor.
func (p *piece) divide(at Cursor) (rest Split, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || at.compare(p.split.From) <= 0 || p.split.To != (Cursor{}) && at.compare(p.split.To) >= 0 {
		return Split{}, false
	}
	rest = p.split
	rest.From, p.split.To = at, at
	return rest, true
}

// end forbids further divisions and returns the end of the piece.
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

// pieceKey is the context key under which Plan.Read finds the piece that it reads.
type pieceKey struct{}

// EndOf returns the end of s now, for a Plan.Read that got s together with ctx: a division may have
// moved the end forward. A source with TrySplit calls it before it asks its store for more, so that
// it does not read keys of another reader.
func EndOf(ctx context.Context, s Split) Cursor {
	if p, ok := ctx.Value(pieceKey{}).(*piece); ok {
		return p.now().To
	}
	return s.To
}

// divider finds work for idle readers: it divides the pieces of others. Readers come to it when no
// more splits are planned.
type divider struct {
	try trySplit

	mu      sync.Mutex // guards the fields below
	changed sync.Cond
	reading []*piece
	idle    int
	news    bool // a piece has been read further, or has ended, since the source was asked
	asking  bool // one reader asks at a time
}

func newDivider(try trySplit) *divider {
	d := &divider{try: try}
	d.changed.L = &d.mu
	return d
}

// register makes a piece of s, which is read from now on, until finish.
func (d *divider) register(s Split, l *leaf) *piece {
	p := &piece{split: s, leaf: l}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading = append(d.reading, p)
	return p
}

// finish says that nobody reads p any more, and returns its end.
func (d *divider) finish(p *piece) Cursor {
	to := p.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.reading, p); i >= 0 {
		d.reading = slices.Delete(d.reading, i, i+1)
	}
	d.news = true
	d.changed.Broadcast()
	return to
}

// progress says that the n-th item of a piece, from 0, has been read.
func (d *divider) progress(n int64) {
	if n%askEvery != 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.news = true
	if d.idle > 0 {
		d.changed.Broadcast()
	}
}

// next waits for a piece for an idle reader and registers it. It returns nil when nothing is being
// read any more, or ctx has ended.
func (d *divider) next(ctx context.Context) *piece {
	defer context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed.Broadcast()
	})()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle++
	defer func() { d.idle-- }()
	for ctx.Err() == nil && len(d.reading) > 0 {
		if !d.news || d.asking {
			d.changed.Wait()
			continue
		}
		if p := d.ask(ctx); p != nil {
			return p
		}
	}
	return nil
}

// ask has the source divide one of the pieces. mu is held, but not while the source works.
func (d *divider) ask(ctx context.Context) *piece {
	pieces := slices.Clone(d.reading)
	d.asking, d.news = true, false
	d.mu.Unlock()
	defer func() { // also when the source panics, or ends the goroutine
		d.asking = false
		d.changed.Broadcast()
	}()
	which, was, at, ok := d.choose(ctx, pieces)
	if !ok {
		return nil
	}
	rest, ok := pieces[which].divide(at)
	if !ok { // too late: ask again at once only if the reader has moved, so that a wrong answer does not spin
		d.news = d.news || pieces[which].now() != was
		return nil
	}
	d.news = true // another division may be possible
	p := &piece{split: rest, leaf: pieces[which].leaf}
	d.reading = append(d.reading, p)
	return p
}

// choose asks the source, and takes mu again. was is the state of the chosen piece at the question.
func (d *divider) choose(ctx context.Context, pieces []*piece) (which int, was Split, at Cursor, ok bool) {
	defer d.mu.Lock()
	splits := make([]Split, len(pieces))
	for i, p := range pieces {
		splits[i] = p.now()
	}
	which, at, ok = d.try(ctx, splits)
	if !ok || which < 0 || which >= len(pieces) {
		return 0, was, at, false
	}
	return which, splits[which], at, true
}
