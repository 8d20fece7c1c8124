package source

import (
	"bytes"
	"context"
	"io"
	"sync/atomic"

	"github.com/go-dmap/dmap/internal/csvsplit"
	"github.com/go-dmap/dmap/internal/ranges"
)

// rowPlan cuts one large CSV object where rows start. What that takes is to read all of it, so the bytes are kept for who
// reads the splits, as long as there is memory.
type rowPlan struct {
	large  *large
	object Object
	rows   csvsplit.CSV
	start  int64 // where the first split begins: a row, or the object
	behind int64 // where the header ends: no other split begins before
	fetch  *ranges.Fetch
	ended  atomic.Bool // nothing more comes: what is kept of it may go

	state   csvsplit.State
	from    int64   // where the split at hand begins
	pending []piece // its bytes
	lost    bool    // they were too many: who reads it asks the store
	due     bool    // a part has begun, and the split ends with the next row
}

const byteOrderMark = "\xef\xbb\xbf"

// run yields the splits by emit, whose last one has the end 0, until that is false.
func (p *rowPlan) run(ctx context.Context, header func() (int64, error), emit func(from, to int64) bool) (err error) {
	stored, err := p.object.stored()
	if err != nil {
		return err
	}
	p.large.drop(-1, func(k *kept) bool { return k.plan.ended.Load() })
	p.fetch = ranges.Start(ctx, stored, p.start, p.object.Size, p.large.rows, p.look, p.spill)
	complete := false
	defer func() {
		p.fetch.Stop()
		p.ended.Store(true)
		if !complete {
			p.large.drop(-1, func(k *kept) bool { return k.plan == p })
		}
	}()
	if p.behind, err = header(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		emit(0, 0) // reading tells what is wrong with it
		return nil
	}
	complete, err = p.cut(emit)
	return err
}

// look finds row starts, on the goroutine of the request.
func (p *rowPlan) look(b *ranges.Block) { b.Scanned = p.rows.Scan(text(b)) }

// text is b without a byte order mark.
func text(b *ranges.Block) []byte {
	if b.Offset == 0 {
		return bytes.TrimPrefix(b.Bytes, []byte(byteOrderMark))
	}
	return b.Bytes
}

// cut goes through the object. complete says that all splits were taken.
func (p *rowPlan) cut(emit func(from, to int64) bool) (complete bool, err error) {
	for {
		b, err := p.fetch.Next()
		if err == io.EOF {
			return p.end(emit, p.object.Size), nil
		}
		if err != nil {
			return false, err
		}
		if b.Offset == 0 && indivisible(b.Bytes) {
			b.Release()
			return emit(0, 0), nil
		}
		if !p.block(b, emit) {
			return false, nil
		}
		if p.state == csvsplit.Broken {
			p.lose()
			return p.end(emit, 0), nil
		}
	}
}

// end emits the last split.
func (p *rowPlan) end(emit func(from, to int64) bool, to int64) bool {
	if !p.lost {
		p.large.keep(&kept{p, p.from, to, p.pending})
		p.pending = nil
	}
	return emit(p.from, 0)
}

// block adds b to the split at hand, or ends that within b. It is false if nobody wants more.
func (p *rowPlan) block(b *ranges.Block, emit func(from, to int64) bool) bool {
	p.due = p.due || b.First && b.Offset > p.start
	at := int64(csvsplit.None)
	if p.state == csvsplit.LineStart {
		at = b.Offset
	}
	in := text(b)
	var first int
	p.state, first = p.rows.Next(in, b.Scanned.(csvsplit.Part), p.state) // set by look
	if at <= p.from || at < p.behind {
		at = csvsplit.None
	}
	if at == csvsplit.None && first != csvsplit.None {
		at = b.Offset + int64(len(b.Bytes)-len(in)+first)
	}
	if !p.due || at <= p.from || at < p.behind || at >= p.object.Size {
		p.add(b, b.Bytes)
		return true
	}
	p.due = false
	before := b.Bytes[:at-b.Offset]
	after := b.Bytes[at-b.Offset:]
	if len(before) > 0 && len(after) > 0 {
		b.Retain()
	}
	if len(before) > 0 {
		p.add(b, before)
	}
	if !p.lost {
		p.large.keep(&kept{p, p.from, at, p.pending})
	}
	from := p.from
	p.from, p.pending, p.lost = at, nil, false
	if len(after) > 0 {
		p.add(b, after)
	}
	return emit(from, at)
}

// add takes over a hold on b.
func (p *rowPlan) add(b *ranges.Block, bytes []byte) {
	if p.lost {
		b.Release()
		return
	}
	p.pending = append(p.pending, piece{b, bytes})
}

// spill makes room: the oldest bytes that nobody has come for go first, then those of a split that is longer than all memory.
func (p *rowPlan) spill() bool {
	if p.large.drop(1, func(k *kept) bool { return k.plan == p }) {
		return true
	}
	if len(p.pending) == 0 {
		return false
	}
	p.lose()
	return true
}

func (p *rowPlan) lose() {
	release(p.pending)
	p.pending, p.lost = nil, true
}
