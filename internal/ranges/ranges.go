// Package ranges reads a long range of one object with several concurrent requests, and returns
// its bytes in order and in bounded memory.
package ranges

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/go-dmap/dmap/internal/body"
)

// Options control the requests. All fields must be at least 1.
type Options struct {
	Requests int   // concurrent requests
	Part     int64 // bytes of a request; the first and last ones are smaller, see partEnd
	Block    int64 // bytes of a Block
	Memory   int64 // bytes of parts that are started and not released
}

// Fetch is a running read of a range. Next and Stop are called by one goroutine; blocks may be
// released by any.
type Fetch struct {
	options Options
	object  body.Object
	from    int64
	to      int64
	scan    func(*Block)
	spill   func() bool
	ctx     context.Context // of the requests
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	unwatch func() bool

	mu      sync.Mutex // guards the fields below
	changed *sync.Cond
	parts   []*part  // started, with blocks that Next has not returned; in order
	started int      // number of parts started
	next    int64    // offset at which the next part starts
	tail    []byte   // the last bytes that Next has returned, at most leadBytes
	memory  int64    // unused bytes of Options.Memory; negative after a part was admitted beyond the limit
	starved bool     // Next waits and no part is started: the next part may exceed the limit
	stopped bool     // no further part is started
	workers int      // running goroutines that read parts
	free    [][]byte // buffers of released blocks
}

// part is the range of one request.
type part struct {
	start, end int64
	lead       []byte   // the bytes before start, which must be those of the part before; empty: none were read
	blocks     []*Block // read, and not yet returned by Next
	done       bool
	err        error // returned after blocks
}

// Block holds consecutive bytes of the object. Blocks are reference counted: Next returns one with
// count 1, Retain adds one, Release drops one.
type Block struct {
	Offset  int64
	Bytes   []byte
	First   bool // first block of its part
	Scanned any  // result of the scan function, which sets it
	fetch   *Fetch
	refs    int // guarded by fetch.mu
}

// leadBytes is the number of bytes before a part that are requested with it, where the store does
// not tell which range it returns.
const leadBytes = 16

// minFirst is the minimum size of the first block, which callers inspect for the format of the
// object.
const minFirst = 16

// Start begins to read the bytes of object o in [from, to), all of which must exist. scan is called
// with each block on the goroutine that has read it. If the store ignores ranges, Next returns
// body.ErrRange after the first part at the latest. When memory has run out, Next calls spill,
// which should release some blocks. If spill returns false, one part beyond the limit is read, so
// that Next cannot deadlock.
func Start(ctx context.Context, o body.Object, from, to int64, options Options, scan func(*Block), spill func() bool) *Fetch {
	f := &Fetch{options: options, object: o, from: from, to: to, scan: scan, spill: spill, next: from, memory: options.Memory}
	f.changed = sync.NewCond(&f.mu)
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.unwatch = context.AfterFunc(f.ctx, f.wakeAll)
	f.workers = options.Requests
	for range options.Requests {
		f.wait.Go(f.readParts)
	}
	return f
}

// partEnd returns where part number ends, if it starts at start. The first parts grow in size, so
// that they are complete one after the other: the first bytes arrive early, and the consumer never
// waits for all requests at once. The last parts shrink, so that all requests are busy until the
// end.
func (o Options) partEnd(number int, start, to int64) int64 {
	n := int64(o.Requests)
	size := min(o.Part*min(int64(number)+1, n)/n, max((to-start)/n, o.Part/4))
	size = max(size-size%o.Block, size%o.Block, 1) // whole blocks, so that their buffers can be reused
	if number == 0 {
		size = max(size, minFirst)
	}
	return min(start+size, to)
}

// Stop cancels all requests and waits for their goroutines. Blocks that Next has returned stay
// valid until they are released.
func (f *Fetch) Stop() {
	f.unwatch()
	f.cancel()
	f.wakeAll()
	f.wait.Wait()
}

func (f *Fetch) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
}

// readParts reads parts until none is left.
func (f *Fetch) readParts() {
	for p := f.startPart(); p != nil; p = f.startPart() {
		err := f.readPart(p)
		f.mu.Lock()
		p.done, p.err = true, err
		f.stopped = f.stopped || err != nil
		f.changed.Broadcast()
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers--
}

// startPart waits for memory for the next part. Memory is granted in the order of the parts, so no
// part waits for one after it. It returns nil if there are no more parts.
func (f *Fetch) startPart() *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.stopped || f.next >= f.to || f.ctx.Err() != nil {
			return nil
		}
		end := f.options.partEnd(f.started, f.next, f.to)
		if size := end - f.next; size <= f.memory || f.starved || f.memory == f.options.Memory {
			p := &part{start: f.next, end: end}
			f.parts = append(f.parts, p)
			f.started++
			f.next, f.memory, f.starved = end, f.memory-size, false
			return p
		}
		f.changed.Wait()
	}
}

// readPart reads the blocks of p.
func (f *Fetch) readPart(p *part) error {
	lead := int64(0)
	if f.object.Answer == nil && p.start > f.from {
		lead = min(leadBytes, p.start-f.from)
	}
	in, err := body.OpenRange(f.ctx, f.object, p.start-lead, p.end)
	if err != nil {
		return err
	}
	defer in.Close()
	if in.Size() != f.object.Size { // the store decodes the object: ranges are those of other bytes
		return fmt.Errorf("object %q: %w: its size is not that of the object", f.object.Key, body.ErrRange)
	}
	p.lead = make([]byte, lead) // before the first block, and so before Next looks at it
	if _, err := io.ReadFull(in, p.lead); err != nil {
		return err
	}
	for at := p.start; at < p.end; {
		size := min(f.options.Block, p.end-at)
		if at == 0 {
			size = min(max(size, minFirst), p.end)
		}
		b := &Block{Offset: at, Bytes: f.buffer(size), First: at == p.start, fetch: f, refs: 1}
		if _, err := io.ReadFull(in, b.Bytes); err != nil {
			return err
		}
		f.scan(b)
		f.mu.Lock()
		p.blocks = append(p.blocks, b)
		f.changed.Broadcast()
		f.mu.Unlock()
		at += size
	}
	return nil
}

// buffer returns a released buffer, or a new one.
func (f *Fetch) buffer(size int64) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.free); n > 0 && size <= f.options.Block {
		b := f.free[n-1][:size]
		f.free = f.free[:n-1]
		return b
	}
	return make([]byte, size)
}

// Next returns the next block, and io.EOF after the last. An error is returned after the bytes
// before it, and is final.
func (f *Fetch) Next() (*Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for len(f.parts) > 0 {
			p := f.parts[0]
			if len(p.blocks) > 0 {
				if !bytes.HasSuffix(f.tail, p.lead) {
					return nil, fmt.Errorf("object %q at byte %d: %w: the bytes before are others", f.object.Key, p.start, body.ErrRange)
				}
				b := p.blocks[0]
				p.blocks, p.lead = p.blocks[1:], nil
				f.tail = append(f.tail, b.Bytes[max(0, len(b.Bytes)-leadBytes):]...)
				f.tail = append(f.tail[:0], f.tail[max(0, len(f.tail)-leadBytes):]...)
				return b, nil
			}
			if !p.done {
				break
			}
			if p.err != nil {
				return nil, p.err
			}
			f.parts = f.parts[1:]
		}
		if len(f.parts) == 0 {
			if f.next >= f.to {
				return nil, io.EOF
			}
			if err := f.ctx.Err(); err != nil {
				return nil, context.Cause(f.ctx)
			}
			f.makeRoom()
			if len(f.parts) > 0 {
				continue
			}
		}
		f.changed.Wait()
	}
}

// makeRoom lets the next part start although memory has run out. The caller holds the lock.
func (f *Fetch) makeRoom() {
	size := f.options.partEnd(f.started, f.next, f.to) - f.next
	for len(f.parts) == 0 && size > f.memory && f.memory < f.options.Memory {
		f.mu.Unlock()
		spilled := f.spill()
		f.mu.Lock()
		if !spilled {
			f.starved = len(f.parts) == 0
			break
		}
	}
	f.changed.Broadcast()
}

// Retain adds a reference to b: it stays valid until Release is called once more.
func (b *Block) Retain() {
	b.fetch.mu.Lock()
	defer b.fetch.mu.Unlock()
	b.refs++
}

// Release drops one reference. The caller must not use b afterwards.
func (b *Block) Release() {
	f := b.fetch
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.refs--; b.refs > 0 {
		return
	}
	f.memory += int64(len(b.Bytes))
	switch {
	case f.workers == 0: // no part needs a buffer any more
		f.free = nil
	case int64(cap(b.Bytes)) == f.options.Block:
		f.free = append(f.free, b.Bytes)
	}
	b.Bytes = nil
	f.changed.Broadcast()
}
