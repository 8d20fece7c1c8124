// Package ranges reads a long stretch of one object with several requests at once, and gives its bytes in order and in
// bounded memory.
package ranges

import (
	"context"
	"io"
	"sync"

	"github.com/go-dmap/dmap/internal/body"
)

// Options say how to read. All are at least 1.
type Options struct {
	Requests int   // at once
	Part     int64 // bytes of a request; the first ones are smaller, see partEnd
	Block    int64 // bytes that are handed over at once
	Memory   int64 // bytes of parts that are read and not released
}

// Fetch is a stretch that is being read. Next and Stop are for one goroutine; blocks are released from any.
type Fetch struct {
	options Options
	object  body.Object
	to      int64
	look    func(*Block)
	spill   func() bool
	ctx     context.Context // of the requests
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	unwatch func() bool

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	parts   []*part // begun and not given, in order
	begun   int     // parts so far
	next    int64   // where the next part begins
	left    int64   // of Options.Memory; below zero where a part was admitted because nothing else could move
	hungry  bool    // Next waits, and no part has begun
	over    bool    // nothing more is to begin
	working int     // goroutines that read parts
	free    [][]byte
}

// part is one request.
type part struct {
	start, end int64
	blocks     []*Block // read and not given
	done       bool
	err        error // behind blocks
}

// Block is some bytes of the object. Who holds one may Retain it, and Releases it once for that and once for having got it.
type Block struct {
	Offset int64
	Bytes  []byte
	First  bool // of its part
	Look   any  // what look left there
	fetch  *Fetch
	holds  int // guarded by fetch.mu
}

// minFirst is the least size of the first block, in which callers find what an object begins with.
const minFirst = 16

// Start begins to read the bytes from offset from to before to, whose object has at least so many. look is called with each
// block on the goroutine that has read it. spill is asked by Next to release something when memory has run out; where it
// cannot, which it says by false, one part more than fits is read: nothing waits for ever.
func Start(ctx context.Context, o body.Object, from, to int64, options Options, look func(*Block), spill func() bool) *Fetch {
	f := &Fetch{options: options, object: o, to: to, look: look, spill: spill, next: from, left: options.Memory}
	f.changed = sync.NewCond(&f.mu)
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.unwatch = context.AfterFunc(f.ctx, f.wake)
	f.working = options.Requests
	for range options.Requests {
		f.wait.Go(f.work)
	}
	return f
}

// partEnd is where the part of that number ends, which begins at start. The first parts grow, so that they are complete one
// after the other and not all at the same time: the first bytes come early, and those who take them never wait for all
// requests at once. The last ones shrink, so that all requests are busy to the end.
func (o Options) partEnd(number int, start, to int64) int64 {
	n := int64(o.Requests)
	size := min(o.Part*min(int64(number)+1, n)/n, max((to-start)/n, o.Part/4))
	size = max(size-size%o.Block, size%o.Block, 1) // whole blocks, so that their memory fits others
	if number == 0 {
		size = max(size, minFirst)
	}
	return min(start+size, to)
}

// Stop ends all requests and waits for their goroutines. Blocks that were given stay valid until they are released.
func (f *Fetch) Stop() {
	f.unwatch()
	f.cancel()
	f.wake()
	f.wait.Wait()
}

func (f *Fetch) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
}

// work reads one part after the other.
func (f *Fetch) work() {
	for p := f.begin(); p != nil; p = f.begin() {
		err := f.read(p)
		f.mu.Lock()
		p.done, p.err = true, err
		f.over = f.over || err != nil
		f.changed.Broadcast()
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.working--
}

// begin waits for memory for the next part. Parts get it in order, so none waits for one behind it. nil: there are no more.
func (f *Fetch) begin() *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.over || f.next >= f.to || f.ctx.Err() != nil {
			return nil
		}
		end := f.options.partEnd(f.begun, f.next, f.to)
		if size := end - f.next; size <= f.left || f.hungry || f.left == f.options.Memory {
			p := &part{start: f.next, end: end}
			f.parts = append(f.parts, p)
			f.begun++
			f.next, f.left, f.hungry = end, f.left-size, false
			return p
		}
		f.changed.Wait()
	}
}

// read gets the blocks of p.
func (f *Fetch) read(p *part) error {
	in, err := body.OpenRange(f.ctx, f.object, p.start, p.end)
	if err != nil {
		return err
	}
	defer in.Close()
	for at := p.start; at < p.end; {
		size := min(f.options.Block, p.end-at)
		if at == 0 {
			size = min(max(size, minFirst), p.end)
		}
		b := &Block{Offset: at, Bytes: f.buffer(size), First: at == p.start, fetch: f, holds: 1}
		if _, err := io.ReadFull(in, b.Bytes); err != nil {
			return err
		}
		f.look(b)
		f.mu.Lock()
		p.blocks = append(p.blocks, b)
		f.changed.Broadcast()
		f.mu.Unlock()
		at += size
	}
	return nil
}

// buffer returns one that was released, if there is one.
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

// Next gives the next block, and io.EOF behind the last. An error comes behind the bytes before it, and is final.
func (f *Fetch) Next() (*Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for len(f.parts) > 0 {
			p := f.parts[0]
			if len(p.blocks) > 0 {
				b := p.blocks[0]
				p.blocks = p.blocks[1:]
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

// makeRoom lets the next part begin though memory has run out. It is called with the lock held.
func (f *Fetch) makeRoom() {
	size := f.options.partEnd(f.begun, f.next, f.to) - f.next
	for len(f.parts) == 0 && size > f.left && f.left < f.options.Memory {
		f.mu.Unlock()
		spilled := f.spill()
		f.mu.Lock()
		if !spilled {
			f.hungry = len(f.parts) == 0
			break
		}
	}
	f.changed.Broadcast()
}

// Retain makes b valid until it has been released once more.
func (b *Block) Retain() {
	b.fetch.mu.Lock()
	defer b.fetch.mu.Unlock()
	b.holds++
}

// Release says that its caller does not look at b any more.
func (b *Block) Release() {
	f := b.fetch
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.holds--; b.holds > 0 {
		return
	}
	f.left += int64(len(b.Bytes))
	switch {
	case f.working == 0: // nobody needs it any more
		f.free = nil
	case int64(cap(b.Bytes)) == f.options.Block:
		f.free = append(f.free, b.Bytes)
	}
	b.Bytes = nil
	f.changed.Broadcast()
}
