package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/ranges"
	"github.com/go-dmap/dmap/internal/record"
	"github.com/go-dmap/dmap/internal/unpack"
)

// tuning holds the sizes, in bytes, by which large objects are divided and read.
type tuning struct {
	small    int64 // smaller objects are one split
	minLines int64 // of a split of lines; there are about two splits per reader
	maxLines int64
	probe    int64 // of the first request for the end of a line
	rows     ranges.Options
	// parallelFrom: a span of at least this size is fetched by several concurrent requests. It is
	// longer than any planned split.
	parallelFrom int64
	tail         ranges.Options // of these requests
}

// defaultTuning suits connections of 80 MB/s with 30 ms to the first byte, where larger parts gain
// little. Rows wait in memory for all the bytes before them, so their parts are small, and memory
// holds two parts more than there are requests. Lines are read as they arrive.
func defaultTuning() tuning {
	return tuning{
		small:        32 << 20,
		minLines:     16 << 20,
		maxLines:     64 << 20,
		probe:        64 << 10,
		rows:         ranges.Options{Requests: 8, Part: 16 << 20, Block: 512 << 10, Memory: 160 << 20},
		parallelFrom: 96 << 20,
		tail:         ranges.Options{Requests: 8, Part: 8 << 20, Block: 512 << 10, Memory: 80 << 20},
	}
}

// MinMemory is the minimum of CSVOptions.Memory.
const MinMemory = 16 << 20

// serialBelow is the memory from which on an object is read in splits. With less, the parts that
// fit are so small that one reader of the whole object takes less CPU, and hardly more time.
const serialBelow = 128 << 20

// within returns t for an object that may take memory bytes of the process, 0: as many as it likes.
// A collection of garbage doubles the memory in use, and readers, rows and results need some too,
// so that a part of it holds fetched bytes. serial says that the object is one split.
func (t tuning) within(memory int64) (within tuning, serial bool) {
	const share, blocks = 8, 4 // of memory; of a part
	if memory == 0 || memory/share >= t.rows.Memory {
		return t, false
	}
	serial = memory < serialBelow
	if serial { // few requests keep up with one reader
		t.tail.Requests = 3
	}
	for _, o := range []*ranges.Options{&t.rows, &t.tail} {
		o.Memory = memory / share
		o.Part = max(o.Memory/int64(o.Requests+2), 1)
		o.Block = min(o.Block, max(o.Part/blocks, 1))
	}
	t.parallelFrom = min(t.parallelFrom, 6*t.rows.Part)
	return t, serial
}

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

// openAt opens the part's object where the part starts.
func (p span) openAt(ctx context.Context) (io.ReadCloser, error) {
	if p.now {
		return p.openWhole(ctx)
	}
	if p.large == nil || p.object.Size <= 0 || p.from >= p.object.Size || p.large.isSerial() {
		return p.openToEnd(ctx)
	}
	if in := p.large.take(ctx, p); in != nil {
		return in, nil
	}
	if p.end()-p.from >= p.large.parallelFrom {
		stored, err := p.object.stored()
		if err != nil {
			return nil, err
		}
		return p.whole(ctx, ranges.Open(ctx, stored, p.from, p.end(), p.large.tail)), nil
	}
	if p.to <= 0 {
		return p.openToEnd(ctx)
	}
	stored, err := p.object.stored()
	if err != nil {
		return nil, err
	}
	open := body.OpenRange
	if p.lines {
		open = body.OpenLines
	}
	in, err := open(ctx, stored, p.from, p.end())
	if errors.Is(err, body.ErrRange) {
		return p.openToEnd(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p.whole(ctx, in), nil
}

// openToEnd opens the part's object where the part starts, without a range end.
func (p span) openToEnd(ctx context.Context) (*body.Reader, error) {
	if !p.lines {
		return p.object.open(ctx, p.from)
	}
	stored, err := p.object.stored()
	if err != nil {
		return nil, err
	}
	return body.OpenLines(ctx, stored, p.from, -1)
}

// openWhole opens the part's object at its start.
func (p span) openWhole(ctx context.Context) (*body.Reader, error) {
	if p.now {
		return p.object.openNow(ctx)
	}
	return p.object.open(ctx, 0)
}

// end returns the offset at which p ends, -1 if that is not known.
func (p span) end() int64 {
	if p.object.Size <= 0 { // 0 says nothing: see body.Open
		return -1
	}
	if p.to > 0 && p.to < p.object.Size {
		return p.to
	}
	return p.object.Size
}

// whole is in, the bytes of p, followed by the rest of the line if p ends inside one. The splits of
// this package never do.
func (p span) whole(ctx context.Context, in io.ReadCloser) io.ReadCloser {
	if p.end() == p.object.Size {
		return in
	}
	return &toLineEnd{ReadCloser: in, last: '\n', more: func() (io.ReadCloser, error) { return p.object.open(ctx, p.end()) }}
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

// compressedName reports whether key has the suffix of a compressed object.
func compressedName(key string) bool {
	return slices.ContainsFunc([]string{".gz", ".gzip", ".zst", ".zstd"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(key), suffix)
	})
}
