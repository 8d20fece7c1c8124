// Package unpack decompresses a stream, within limits on its size and its compression ratio.
package unpack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits of one stream.
const (
	MaxBytes  = 64 << 30 // decompressed, by default
	MaxRatio  = 200      // decompressed bytes per compressed byte of a stream, by default
	ratioFrom = 1 << 20  // the ratio is checked after this many decompressed bytes
)

// Limits bound what a stream decompresses to. 0: the default; negative: no limit.
type Limits struct {
	Bytes int64 // decompressed
	Ratio int64 // decompressed bytes per compressed byte, after the first MiB
}

// or returns limit, otherwise if it is 0, and the highest number if it is negative.
func or(limit, otherwise int64) int64 {
	switch {
	case limit == 0:
		return otherwise
	case limit < 0:
		return math.MaxInt64
	}
	return limit
}

const bufferSize = 64 << 10 // bytes read at once

// Error means that a stream cannot be decompressed, or not beyond Offset.
type Error struct {
	Format string // "gzip" or "zstd"; "compressed data" if it ends before that shows
	Offset int64  // in the decompressed stream
	Limit  string // the limit that was exceeded, empty: none
	Max    int64  // value of Limit
	Err    error  // the error if no limit was exceeded, else nil
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

// Reader reads a stream that may be compressed, which its first bytes tell. It is not safe for
// concurrent use.
type Reader struct {
	format string
	limits Limits // resolved
	src    countingReader
	in     *bufio.Reader
	out    io.Reader // same as in if the stream is not compressed
	zstd   *zstd.Decoder
	free   func() // gives the memory for the window back to the budget
	window int64  // bytes that the stream may take for it
	class  int    // of the decoder
	offset int64
	err    error // final
}

// countingReader counts the bytes read, and keeps the error that stopped it.
type countingReader struct {
	io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Open inspects the first bytes of src, which must be at its start. It does not close src. It
// returns errors of src unchanged, and others as *Error.
//
// It waits while the windows of other streams take all memory that the process has for them, or
// until ctx ends.
func Open(ctx context.Context, src io.Reader, limits Limits) (*Reader, error) {
	limits = Limits{Bytes: or(limits.Bytes, MaxBytes), Ratio: or(limits.Ratio, MaxRatio)}
	r := &Reader{limits: limits, src: countingReader{Reader: src}, free: func() {}}
	r.in = bufio.NewReaderSize(&r.src, bufferSize)
	head, _ := r.in.Peek(4) // an error is returned again by the next read
	var err error
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		r.format = "gzip"
		r.out, err = newMembers(r.in)
	case startsZstd(head):
		r.format = "zstd"
		err = r.openZstd(ctx)
	case truncatedMagic(head):
		r.format, err = "compressed data", io.ErrUnexpectedEOF
	default:
		r.out = r.in
	}
	if err != nil {
		r.free()
		return nil, r.readError(err)
	}
	return r, nil
}

// Format returns "gzip", "zstd" or, for a stream that is not compressed, an empty string.
func (r *Reader) Format() string { return r.format }

// Read returns the next bytes of the decompressed stream. It returns io.EOF only after a complete
// stream.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.out.Read(p)
	r.offset += int64(n)
	switch {
	case r.format == "":
	case r.offset > r.limits.Bytes:
		err = r.limitError("decompressed bytes", r.limits.Bytes)
	case r.offset > ratioFrom && r.offset/max(r.src.n, 1) >= r.limits.Ratio && r.offset > r.limits.Ratio*r.src.n:
		err = r.limitError("decompressed bytes for each byte", r.limits.Ratio)
	case err != nil && err != io.EOF:
		err = r.readError(err)
	}
	r.err = err
	return n, err
}

func (r *Reader) limitError(limit string, most int64) error {
	return &Error{Format: r.format, Offset: r.offset, Limit: limit, Max: most}
}

// readError translates an error of the decompressor.
func (r *Reader) readError(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return r.limitError("bytes of window", r.window)
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		err = fmt.Errorf("the compressed data is truncated: %w", io.ErrUnexpectedEOF)
	}
	return &Error{Format: r.format, Offset: r.offset, Err: err}
}

// Skip skips n bytes, or fewer if the stream ends.
func (r *Reader) Skip(n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	if err == io.EOF {
		return nil
	}
	return err
}

// Close frees the memory of the decompressor.
func (r *Reader) Close() {
	r.closeZstd()
	r.free()
}

// First bytes of compressed objects.
const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
	// skippableMagic follows a byte from 0x50 to 0x5f. Tools for parallel or seekable zstd write
	// such a frame before the first one with data.
	skippableMagic = "\x2a\x4d\x18"
)

// Compressed reports whether Open decompresses an object with these first bytes.
func Compressed(head []byte) bool {
	return bytes.HasPrefix(head, []byte(gzipMagic)) || startsZstd(head)
}

// startsZstd reports whether head are the first bytes of a frame of zstd.
func startsZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zstdMagic)) ||
		len(head) > len(skippableMagic) && head[0]&0xf0 == 0x50 && bytes.HasPrefix(head[1:], []byte(skippableMagic))
}

// truncatedMagic reports whether head, which is shorter than the first bytes of any format, can
// only be the start of compressed data.
func truncatedMagic(head []byte) bool {
	return string(head) == gzipMagic[:1] || len(head) > 1 && len(head) < len(zstdMagic) && strings.HasPrefix(zstdMagic, string(head))
}
