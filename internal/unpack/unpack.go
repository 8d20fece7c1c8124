// Package unpack decompresses a stream, and gives up on what expands to more than anybody wants.
package unpack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Limits of one stream.
const (
	MaxBytes  = 64 << 30 // decompressed
	MaxRatio  = 200      // decompressed bytes per compressed one, in a stream
	freeBytes = 1 << 20  // that has more than so many
	MaxWindow = 64 << 20 // bytes that a zstd stream may want to have in memory
)

const bufferSize = 64 << 10 // read at once

// Error says that a stream cannot be decompressed, or not be decompressed any further.
type Error struct {
	Format string // "gzip" or "zstd"
	Offset int64  // in the decompressed stream
	Limit  string // the limit that was exceeded, empty: none
	Max    int64  // of Limit
	Err    error  // what else is wrong; nil with Limit
}

func (e *Error) Error() string {
	at := e.Format + " at decompressed byte " + strconv.FormatInt(e.Offset, 10)
	if e.Limit != "" {
		return fmt.Sprintf("%s: more than %d %s", at, e.Max, e.Limit)
	}
	return at + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Reader is a stream that may be compressed: as its first bytes say. It is not safe for concurrent use.
type Reader struct {
	format string
	src    counter
	in     *bufio.Reader
	out    io.Reader // in itself, if that is not compressed
	zstd   *zstd.Decoder
	offset int64
	err    error // final
}

// counter counts what is read, and remembers what kept it from reading on.
type counter struct {
	io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Open looks at the first bytes of src, from its start, and does not close it. An error of src comes as it is; others are
// of type *Error.
func Open(src io.Reader) (*Reader, error) {
	r := &Reader{src: counter{Reader: src}}
	r.in = bufio.NewReaderSize(&r.src, bufferSize)
	head, _ := r.in.Peek(4) // an error comes again
	var err error
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		r.format = "gzip"
		r.out, err = gzip.NewReader(r.in)
	case bytes.HasPrefix(head, []byte(zstdMagic)):
		r.format = "zstd"
		r.zstd, err = zstd.NewReader(r.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
		r.out = r.zstd
	default:
		r.out = r.in
	}
	if err != nil {
		return nil, r.wrong(err)
	}
	return r, nil
}

// Format is "gzip", "zstd" or, for a stream that is not compressed, empty.
func (r *Reader) Format() string { return r.format }

// Read gives the next bytes of the decompressed stream, and io.EOF only where that ends as it should.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.out.Read(p)
	r.offset += int64(n)
	switch {
	case r.format == "":
	case r.offset > MaxBytes:
		err = r.exceeded("decompressed bytes", MaxBytes)
	case r.offset > freeBytes && r.offset > MaxRatio*r.src.n:
		err = r.exceeded("decompressed bytes for each byte", MaxRatio)
	case err != nil && err != io.EOF:
		err = r.wrong(err)
	}
	r.err = err
	return n, err
}

func (r *Reader) exceeded(limit string, most int64) error {
	return &Error{Format: r.format, Offset: r.offset, Limit: limit, Max: most}
}

// wrong is what an error of the decompression means.
func (r *Reader) wrong(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return r.exceeded("bytes of window", MaxWindow)
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		err = fmt.Errorf("the compressed data ends too early: %w", io.ErrUnexpectedEOF)
	}
	return &Error{Format: r.format, Offset: r.offset, Err: err}
}

// Skip passes over n bytes, or all there are.
func (r *Reader) Skip(n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	if err == io.EOF {
		return nil
	}
	return err
}

// Close frees what the decompression holds.
func (r *Reader) Close() {
	if r.zstd != nil {
		r.zstd.Close()
	}
}

// What compressed objects begin with.
const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// Compressed reports whether an object that begins like that is one that Open decompresses.
func Compressed(head []byte) bool {
	return bytes.HasPrefix(head, []byte(gzipMagic)) || bytes.HasPrefix(head, []byte(zstdMagic))
}
