// Package body reads the bytes of one object to their end, or returns why it cannot: it resumes
// after a reset, counts the bytes that arrive, cuts a stalled connection, and notices when the
// object is another one than was asked for.
package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// No SDK repeats a body that breaks off. The first opening is tried once here: the SDKs repeat it,
// and a call that still fails is retried by the engine, where the wait does not use a slot.
const (
	maxReopens = 5       // in a row, the first of them at once
	progress   = 8 << 20 // bytes after which the count of reopenings starts again
	firstWait  = 50 * time.Millisecond
)

// Reader reads an object from an offset to its end, or to the end of a range. It is not safe for
// concurrent use.
type Reader struct {
	ctx     context.Context // of Open: reopening needs it, and io.Reader passes none
	object  Object
	offset  int64       // of the next byte
	end     int64       // of the range; toTheEnd: of the object
	conn    *connection // nil: none is open
	connErr error       // of conn, to be handled after the bytes that came with it
	first   connection  // the memory of conn until a body breaks off, which most never do

	reopens  int   // since the body broke off at brokeAt
	brokeAt  int64 // offset
	received bool  // conn has given bytes
}

// toTheEnd is the end of a range that has none.
const toTheEnd = -1

// Open starts reading o at offset. If offset is at or beyond the known end, it makes no request.
// ctx must live as long as the Reader. Errors name the object and the offset.
func Open(ctx context.Context, o Object, offset int64) (*Reader, error) {
	return open(ctx, o, offset, toTheEnd)
}

// OpenRange is Open for the bytes from offset to before end. It asks the store for no others, and
// counts them, because some stores end a body early without an error.
func OpenRange(ctx context.Context, o Object, offset, end int64) (*Reader, error) {
	return open(ctx, o, offset, max(end, 0))
}

func open(ctx context.Context, o Object, offset, end int64) (*Reader, error) {
	r := &Reader{ctx: ctx, object: o, offset: offset, end: end, brokeAt: offset}
	if offset > 0 && o.Size >= 0 && offset >= o.Size || end != toTheEnd && offset >= end {
		return r, nil
	}
	if err := r.connect(); err != nil {
		return nil, err
	}
	return r, nil
}

// Size returns the object's size, -1 if the store does not tell.
func (r *Reader) Size() int64 { return r.object.Size }

// Close closes the connection. It always returns nil, because Read has checked all bytes.
func (r *Reader) Close() error {
	r.closeConn()
	return nil
}

// remaining returns the number of bytes to come, -1 if the store does not tell.
func (r *Reader) remaining() int64 {
	switch {
	case r.end == toTheEnd && r.object.Size < 0:
		return -1
	case r.end == toTheEnd:
		return max(r.object.Size-r.offset, 0)
	case r.object.Size < 0:
		return max(r.end-r.offset, 0)
	}
	return max(min(r.end, r.object.Size)-r.offset, 0)
}

// Read returns the next bytes. It returns io.EOF only after all bytes of the object, or of the
// range.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, r.wrap(context.Cause(r.ctx))
		}
		remaining := r.remaining()
		if remaining == 0 {
			return 0, io.EOF
		}
		if remaining > 0 {
			p = p[:min(int64(len(p)), remaining)]
		}
		if r.connErr == nil {
			n, err := r.conn.read(p)
			r.connErr = err
			r.offset += int64(n)
			r.received = r.received || n > 0
			if n > 0 {
				return n, nil
			}
			if err == nil {
				continue
			}
		}
		if r.connErr == io.EOF && r.object.Size < 0 {
			return 0, io.EOF
		}
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
}

// reopen continues at the offset where the body broke off. It does not ask why the body broke off:
// the next connection shows whether the object can still be read. An opening that fails with a
// transient error counts as a reopening and is repeated.
func (r *Reader) reopen() error {
	cause := r.connErr
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	r.closeConn()
	failed := r.wrap(cause)
	if errors.Is(cause, ErrStalled) && !r.received { // the second stall in a row
		return failed
	}
	if r.offset-r.brokeAt >= progress {
		r.reopens, r.brokeAt = 0, r.offset
	}
	for r.reopens < maxReopens {
		if err := (transient.Backoff{First: firstWait}).Wait(r.ctx, r.reopens, failed); err != nil {
			return r.wrap(err)
		}
		r.reopens++
		if failed = r.connect(); failed == nil || transient.Classify(failed) != transient.Transient {
			return failed
		}
	}
	return failed
}

// connect opens the body at the offset and checks that it is the object that was asked for.
func (r *Reader) connect() error {
	conn := &r.first
	if conn.ctx.Context != nil {
		conn = new(connection)
	}
	length := int64(-1)
	if r.end != toTheEnd {
		length = r.remaining()
	}
	o := &r.object
	if !o.Regular {
		if err := hostfolder.CheckReadable(r.ctx, o.Bucket, o.Key); err != nil {
			return r.wrap(err)
		}
	}
	conn.ctx.start(r.ctx, o.Stall)
	reader, err := o.Bucket.NewRangeReader(&conn.ctx, o.Key, r.offset, length, o.condition())
	if err = conn.endWait(err); err != nil {
		conn.ctx.release()
		return r.openError(err)
	}
	conn.Reader = reader
	r.conn, r.connErr, r.received = conn, nil, false
	if err := o.verify(conn.Size(), conn.ModTime()); err != nil {
		r.closeConn()
		return err
	}
	return nil
}

// openError returns the error for a body that the store did not open. If the store refused the
// condition, the object has changed.
func (r *Reader) openError(err error) error {
	o := &r.object
	if o.condition() == nil || gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return r.wrap(err)
	}
	var conn connection
	conn.ctx.start(r.ctx, o.Stall)
	defer conn.ctx.release()
	now, err := o.Bucket.Attributes(&conn.ctx, o.Key)
	if err = conn.endWait(err); err != nil {
		return r.wrap(err)
	}
	return o.Changed("version", o.ETag, now.ETag)
}

func (r *Reader) closeConn() {
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
}

// Gone says that the object does not exist, or not any more.
type Gone struct{ error }

// NewGone returns err, an error of the store, as a Gone.
func NewGone(err error) *Gone { return &Gone{err} }

// Unwrap returns the error of the store.
func (e *Gone) Unwrap() error { return e.error }

// Class makes dmap.Class call it "gone".
func (e *Gone) Class() string { return "gone" }

// wrap adds the key and the offset to err.
func (r *Reader) wrap(err error) error {
	if transient.Absent(err) {
		err = NewGone(err)
	}
	position := fmt.Sprintf("byte %d", r.offset)
	if r.object.Size >= 0 {
		position += fmt.Sprintf(" of %d", r.object.Size)
	}
	return transient.Explain(fmt.Errorf("object %q at %s: %w", r.object.Key, position, err))
}
