package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/csvsplit"
	"github.com/go-dmap/dmap/internal/ranges"
)

// rowPlan divides one large CSV object where rows start. That takes all the bytes of the object, so
// they are kept for the readers of the splits as long as there is memory.
type rowPlan struct {
	large     *largeObject
	object    Object
	rows      csvsplit.CSV
	start     int64 // of the first split: a row, or the object
	headerEnd int64 // no other split starts before it
	fetch     *ranges.Fetch
	ended     atomic.Bool // the plan fetches no more: its prefetched bytes may be dropped

	state    csvsplit.State
	from     int64   // the start of the current split
	pending  []piece // its bytes
	dropped  bool    // its bytes did not fit into memory: its reader requests them again
	splitDue bool    // a new part has started: the split ends at the next row
}

const byteOrderMark = "\xef\xbb\xbf"

// run calls emit for each split, the last one with the end 0, and stops when emit returns false.
func (p *rowPlan) run(ctx context.Context, header func() (int64, error), emit func(from, to int64) bool) (err error) {
	stored, err := p.object.stored()
	if err != nil {
		return err
	}
	p.large.drop(-1, func(k *prefetched) bool { return k.plan.ended.Load() })
	p.fetch = ranges.Start(ctx, stored, p.start, p.object.Size, p.large.rows, p.scan, p.freeMemory)
	complete := false
	defer func() {
		p.fetch.Stop()
		p.ended.Store(true)
		if !complete {
			p.large.drop(-1, func(k *prefetched) bool { return k.plan == p })
		}
	}()
	if p.headerEnd, err = header(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		emit(0, 0) // reading returns the error
		return nil
	}
	complete, err = p.divide(emit)
	return err
}

// scan finds row starts, on the goroutine of the request.
func (p *rowPlan) scan(b *ranges.Block) { b.Scanned = p.rows.Scan(text(b)) }

// text is b without a byte order mark.
func text(b *ranges.Block) []byte {
	if b.Offset == 0 {
		return bytes.TrimPrefix(b.Bytes, []byte(byteOrderMark))
	}
	return b.Bytes
}

// divide reads the object. complete says that all splits were taken.
func (p *rowPlan) divide(emit func(from, to int64) bool) (complete bool, err error) {
	for {
		b, err := p.fetch.Next()
		if err == io.EOF {
			return p.emitLast(emit, p.object.Size), nil
		}
		if errors.Is(err, body.ErrRange) {
			p.large.readSerially()
			p.drop()
			return p.emitLast(emit, 0), nil
		}
		if err != nil {
			return false, err
		}
		if b.Offset == 0 && indivisible(b.Bytes) {
			b.Release()
			return emit(0, 0), nil
		}
		if !p.addBlock(b, emit) {
			return false, nil
		}
		if p.state == csvsplit.Broken {
			p.drop()
			return p.emitLast(emit, 0), nil
		}
	}
}

// emitLast emits the last split.
func (p *rowPlan) emitLast(emit func(from, to int64) bool, to int64) bool {
	if !p.dropped {
		p.large.keep(&prefetched{p, p.from, to, p.pending})
		p.pending = nil
	}
	return emit(p.from, 0)
}

// addBlock adds b to the current split, or ends that split within b. It returns false if no more
// splits are wanted.
func (p *rowPlan) addBlock(b *ranges.Block, emit func(from, to int64) bool) bool {
	p.splitDue = p.splitDue || b.First && b.Offset > p.start
	at := int64(csvsplit.None)
	if p.state == csvsplit.LineStart {
		at = b.Offset
	}
	in := text(b)
	var first int
	p.state, first = p.rows.Next(in, b.Scanned.(csvsplit.Part), p.state) // set by scan
	if at <= p.from || at < p.headerEnd {
		at = csvsplit.None
	}
	if at == csvsplit.None && first != csvsplit.None {
		at = b.Offset + int64(len(b.Bytes)-len(in)+first)
	}
	if !p.splitDue || at <= p.from || at < p.headerEnd || at >= p.object.Size {
		p.add(b, b.Bytes)
		return true
	}
	p.splitDue = false
	before := b.Bytes[:at-b.Offset]
	after := b.Bytes[at-b.Offset:]
	if len(before) > 0 && len(after) > 0 {
		b.Retain()
	}
	if len(before) > 0 {
		p.add(b, before)
	}
	if !p.dropped {
		p.large.keep(&prefetched{p, p.from, at, p.pending})
	}
	from := p.from
	p.from, p.pending, p.dropped = at, nil, false
	if len(after) > 0 {
		p.add(b, after)
	}
	return emit(from, at)
}

// add takes over a reference to b.
func (p *rowPlan) add(b *ranges.Block, bytes []byte) {
	if p.dropped {
		b.Release()
		return
	}
	p.pending = append(p.pending, piece{b, bytes})
}

// freeMemory drops the oldest prefetched bytes that no reader has taken, or else those of the
// current split, if it is larger than the memory. It returns false if there are none.
func (p *rowPlan) freeMemory() bool {
	if p.large.drop(1, func(k *prefetched) bool { return k.plan == p }) {
		return true
	}
	if len(p.pending) == 0 {
		return false
	}
	p.drop()
	return true
}

// drop releases the bytes of the current split.
func (p *rowPlan) drop() {
	release(p.pending)
	p.pending, p.dropped = nil, true
}
