package source

import (
	"context"
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

// tuning is how large objects are cut and read. Sizes are in bytes.
type tuning struct {
	small    int64 // objects below are one split
	lines    int64 // the least of a split of lines; there are about two per reader
	mostLine int64 // the most
	probe    int64 // asked for at once where the end of a line is looked for
	rows     ranges.Options
	solo     int64          // a stretch from which on one reader gets it by several requests: longer than a split that was planned
	tail     ranges.Options // of these requests
}

// usual is for connections of 80 MB/s that answer after some 30 ms, where larger parts gain little. Rows wait in memory until
// all before them have come, so their parts are small, and two more than there are requests; lines are read as they come.
func usual() tuning {
	return tuning{
		small:    32 << 20,
		lines:    16 << 20,
		mostLine: 64 << 20,
		probe:    64 << 10,
		rows:     ranges.Options{Requests: 8, Part: 16 << 20, Block: 512 << 10, Memory: 160 << 20},
		solo:     96 << 20,
		tail:     ranges.Options{Requests: 8, Part: 8 << 20, Block: 512 << 10, Memory: 80 << 20},
	}
}

// large is what a source of one object remembers between its splits. It is safe for concurrent use.
type large struct {
	tuning

	mu     sync.Mutex // guards what follows
	pinned Object     // by the last Splits
	kept   []*kept    // bytes that came with the planning and that nobody has read, oldest first
}

// kept are the bytes of one split.
type kept struct {
	plan     *rowPlan
	from, to int64
	pieces   []piece
}

// piece is some of a block, on which it has a hold.
type piece struct {
	block *ranges.Block
	bytes []byte
}

func (l *large) pin(o Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinned = o
}

// known is the pinned object of that version, if it is the last one that was.
func (l *large) known(pinned string) (Object, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pinned, l.pinned.Key != "" && version(l.pinned) == pinned
}

func (l *large) keep(k *kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, k)
}

// drop releases what is kept and for which choose is true, at most most of it, and reports whether there was any.
func (l *large) drop(most int, choose func(*kept) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	l.kept = slices.DeleteFunc(l.kept, func(k *kept) bool {
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

// take gives the bytes of part to who reads it, if they are kept. What else is kept of that split goes.
func (l *large) take(ctx context.Context, part span) io.ReadCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.kept, func(k *kept) bool {
		return k.from <= part.from && part.end() <= k.to && part.from < k.to && version(k.plan.object) == version(part.object)
	})
	if i < 0 {
		return nil
	}
	k := l.kept[i]
	l.kept = slices.Delete(l.kept, i, i+1)
	return &keptReader{ctx: ctx, object: part.object, pieces: k.pieces, skip: part.from - k.from, at: part.from, end: part.end()}
}

// keptReader reads bytes that are in memory, and lets go of them as it does.
type keptReader struct {
	ctx     context.Context // of Read of the split: a reader that is cancelled must not go on
	object  Object
	pieces  []piece
	skip    int64 // bytes of the first pieces that nobody wants
	at, end int64
}

func (k *keptReader) Read(p []byte) (int, error) {
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

func (k *keptReader) Close() error {
	release(k.pieces)
	k.pieces = nil
	return nil
}

// openAt opens the part's object where the part starts.
func (p span) openAt(ctx context.Context) (io.ReadCloser, error) {
	if p.large == nil || p.object.Size < 0 {
		return p.object.open(ctx, p.from)
	}
	if in := p.large.take(ctx, p); in != nil {
		return in, nil
	}
	if p.end()-p.from >= p.large.solo {
		stored, err := p.object.stored()
		if err != nil {
			return nil, err
		}
		return p.whole(ctx, ranges.Open(ctx, stored, p.from, p.end(), p.large.tail)), nil
	}
	if p.to <= 0 {
		return p.object.open(ctx, p.from)
	}
	stored, err := p.object.stored()
	if err != nil {
		return nil, err
	}
	in, err := body.OpenRange(ctx, stored, p.from, p.end())
	if err != nil {
		return nil, err
	}
	return p.whole(ctx, in), nil
}

// end is where the bytes of p end, if nothing goes on beyond it.
func (p span) end() int64 {
	if p.to > 0 && p.to < p.object.Size {
		return p.to
	}
	return p.object.Size
}

// whole is in, the bytes of p, and what lies behind them if p was cut within a line. The splits of this package never are.
func (p span) whole(ctx context.Context, in io.ReadCloser) io.ReadCloser {
	if p.end() == p.object.Size {
		return in
	}
	return &toLineEnd{ReadCloser: in, last: '\n', more: func() (io.ReadCloser, error) { return p.object.open(ctx, p.end()) }}
}

// toLineEnd goes on with more where what it reads does not end with a line.
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

// indivisible reports whether an object that begins like that cannot be read from the middle.
func indivisible(head []byte) bool { return record.Format(head) != "" || unpack.Compressed(head) }

// compressedName reports whether key is one of an object that is compressed.
func compressedName(key string) bool {
	return slices.ContainsFunc([]string{".gz", ".gzip", ".zst", ".zstd"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(key), suffix)
	})
}
