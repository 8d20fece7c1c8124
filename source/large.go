package source

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-dmap/dmap/internal/ranges"
	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/internal/unpack"
)

// largeObject is the state that the splits of one object share. It is safe for concurrent use.
type largeObject struct {
	tuning

	mu         sync.Mutex    // guards the fields below
	pinned     Object        // by the last Splits
	serial     bool          // the store does not return ranges as they are asked for
	prefetched []*prefetched // bytes that planning has fetched and no reader has taken, oldest first
}

// prefetched are the bytes of one split.
type prefetched struct {
	plan     *rowPlan
	from, to int64
	pieces   []piece
}

// piece is a part of a block, and holds a reference to it.
type piece struct {
	block *ranges.Block
	bytes []byte
}

func (l *largeObject) pin(o Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinned = o
}

// known returns the pinned object, if it has that version.
// readSerially says that ranges of the object cannot be read: each split is read to its end by one
// request.
func (l *largeObject) readSerially() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial = true
}

func (l *largeObject) isSerial() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serial
}

func (l *largeObject) known(pinned string) (Object, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pinned, l.pinned.Key != "" && version(l.pinned) == pinned
}

func (l *largeObject) keep(k *prefetched) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prefetched = append(l.prefetched, k)
}

// drop releases the prefetched bytes for which choose is true, of at most most splits, and reports
// whether there were any.
func (l *largeObject) drop(most int, choose func(*prefetched) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	l.prefetched = slices.DeleteFunc(l.prefetched, func(k *prefetched) bool {
		if n == most || !choose(k) {
			return false
		}
		n++
		release(k.pieces)
		return true
	})
	return n > 0
}

func release(pieces []piece) {
	for _, p := range pieces {
		p.block.Release()
	}
}

// take returns a reader of the bytes of part, if they are prefetched, nil if not. It releases the
// other bytes of that split.
func (l *largeObject) take(ctx context.Context, part span) io.ReadCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.prefetched, func(k *prefetched) bool {
		return k.from <= part.from && part.end() <= k.to && part.from < k.to && version(k.plan.object) == version(part.object)
	})
	if i < 0 {
		return nil
	}
	k := l.prefetched[i]
	l.prefetched = slices.Delete(l.prefetched, i, i+1)
	return &prefetchedReader{ctx: ctx, object: part.object, pieces: k.pieces, skip: part.from - k.from, at: part.from, end: part.end()}
}

// prefetchedReader reads bytes in memory, and releases them as it does.
type prefetchedReader struct {
	ctx     context.Context // of Read of the split: a canceled reader must stop
	object  Object
	pieces  []piece
	skip    int64 // bytes of the first pieces before part
	at, end int64
}

func (k *prefetchedReader) Read(p []byte) (int, error) {
	if k.ctx.Err() != nil {
		return 0, fmt.Errorf("object %q at byte %d of %d: %w", k.object.Key, k.at, k.object.Size, context.Cause(k.ctx))
	}
	for k.at < k.end && len(k.pieces) > 0 {
		have := k.pieces[0].bytes
		if k.skip >= int64(len(have)) {
			k.skip -= int64(len(have))
			k.pieces[0].block.Release()
			k.pieces = k.pieces[1:]
			continue
		}
		n := copy(p[:min(int64(len(p)), k.end-k.at)], have[k.skip:])
		k.skip += int64(n)
		k.at += int64(n)
		return n, nil
	}
	return 0, io.EOF
}

func (k *prefetchedReader) Close() error {
	release(k.pieces)
	k.pieces = nil
	return nil
}

// toLineEnd continues with more if its bytes do not end with a line end.
type toLineEnd struct {
	io.ReadCloser
	last byte
	more func() (io.ReadCloser, error) // nil: it has been called
}

func (t *toLineEnd) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.last = p[n-1]
	}
	if err != io.EOF || n > 0 || t.last == '\n' || t.more == nil {
		return n, err
	}
	rest, err := t.more()
	if err != nil {
		return 0, err
	}
	t.more = nil
	t.ReadCloser.Close()
	t.ReadCloser = rest
	return rest.Read(p)
}

// indivisible reports whether an object with this prefix cannot be read from the middle.
func indivisible(head []byte) bool { return record.Format(head) != "" || unpack.Compressed(head) }
