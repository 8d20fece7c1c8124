package unpack

import (
	"context"
	"errors"

	"github.com/klauspost/compress/zstd"

	"github.com/go-dmap/dmap/internal/budget"
)

// openZstd takes memory for the window of the first frame. Later frames may have one of that size,
// or a usual one.
func (r *Reader) openZstd(ctx context.Context) error {
	var frame zstd.Header
	head, _ := r.in.Peek(zstd.HeaderMaxSize)
	if frame.Decode(head) != nil {
		frame.WindowSize = 0
	}
	r.class, r.window = sizeClass(frame.WindowSize)
	free, err := budget.Take(ctx, r.window)
	if err != nil {
		r.src.err = err // it is no error of the stream
		return err
	}
	r.free = free
	if r.zstd = spare.take(r.class); r.zstd == nil {
		r.zstd, err = zstd.NewReader(r.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(r.window)))
	} else {
		err = r.zstd.Reset(r.in)
	}
	r.out = r.zstd
	return err
}

// closeZstd keeps the decoder for another stream. With a concurrency of 1 it has no goroutine, so
// that it needs no Close.
func (r *Reader) closeZstd() {
	if r.zstd == nil {
		return
	}
	if r.zstd.Reset(nil) == nil { // it forgets the stream
		spare.keep(r.class, r.zstd)
	}
	r.zstd, r.err = nil, errClosed
}

// errClosed is the error of a read from a closed stream, whose decoder may read another one.
var errClosed = errors.New("the stream is closed")
