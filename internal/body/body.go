// Package body reads the bytes of one object to their end, or says why it cannot: it goes on after a reset, counts what
// arrives, cuts a stalled connection and notices when the object is not the one that was asked for.
package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// ErrStalled says that an object's bytes stopped coming.
var ErrStalled = errors.New("no byte came within the stall timeout")

// What nobody below retries: bodies that break off. Opening is retried by the SDKs of the clouds themselves.
const (
	maxReopens = 5       // in a row,
	progress   = 8 << 20 // where so many bytes in between make it a new row
	firstWait  = 50 * time.Millisecond
)

// Object is what to read and what is known of it.
type Object struct {
	Bucket  *blob.Bucket
	Key     string
	Size    int64         // -1: unknown
	ModTime time.Time     // zero: unknown
	ETag    string        // empty: unknown. It is compared only by IfMatch
	Stall   time.Duration // the longest wait for a byte; 0: no limit
	// IfMatch makes a request fail unless the object has that ETag, see source.StoreFeatures. nil: the store cannot.
	IfMatch func(as func(any) bool, etag string) bool
	// Changed makes the error for an object that differs from the above, or changes while it is read.
	Changed func(what, was, now string) error
}

// Reader reads an object from an offset to its end, or to the end of a range. It is not safe for concurrent use.
type Reader struct {
	ctx    context.Context // of Open: reopening needs it, and io.Reader passes none
	object Object
	offset int64       // of the next byte
	end    int64       // of the range; toTheEnd: of the object
	conn   *connection // nil: none is open
	fault  error       // of conn, met together with its last bytes
	first  connection  // what conn points to until the body breaks off: most never do

	reopens  int   // since the body broke off at brokeAt
	brokeAt  int64 // offset
	received bool  // conn has given bytes
}

// connection is one open body. It is not used again: what a driver left behind may still hold its limit.
type connection struct {
	*blob.Reader
	limit limit
}

// toTheEnd is the end of a range that has none.
const toTheEnd = -1

// Open starts reading o at offset. At or beyond the known end it makes no request. ctx must live as long as the Reader.
func Open(ctx context.Context, o Object, offset int64) (*Reader, error) {
	return open(ctx, o, offset, toTheEnd)
}

// OpenRange is Open for the bytes from offset to before end. It asks the store for no others, and counts them: a body that
// ends early is silent in some stores.
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

// Close gives the connection back. It returns no error: all that was read has been checked.
func (r *Reader) Close() error {
	r.hangUp()
	return nil
}

// left is how many bytes are to come, -1 if the store does not tell.
func (r *Reader) left() int64 {
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

// Read gives the next bytes, and io.EOF only when all of the object, or the range, has been read.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, r.named(context.Cause(r.ctx))
		}
		left := r.left()
		if left == 0 {
			return 0, io.EOF
		}
		if left > 0 {
			p = p[:min(int64(len(p)), left)]
		}
		if r.fault == nil {
			n, err := r.conn.read(p)
			r.fault = err
			r.offset += int64(n)
			r.received = r.received || n > 0
			if n > 0 {
				return n, nil
			}
			if err == nil {
				continue
			}
		}
		if r.fault == io.EOF && r.object.Size < 0 {
			return 0, io.EOF
		}
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
}

// reopen goes on at the offset where the body broke off, unless that has been tried in vain.
func (r *Reader) reopen() error {
	cause := r.fault
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	r.hangUp()
	if r.offset-r.brokeAt >= progress {
		r.reopens, r.brokeAt = 0, r.offset
	}
	if r.reopens == maxReopens || errors.Is(cause, ErrStalled) && !r.received {
		return r.named(cause)
	}
	if err := sleep(r.ctx, backoff(r.reopens)); err != nil {
		return r.named(err)
	}
	r.reopens++
	return r.connect()
}

// connect opens the body at the offset and checks that it is the object that is wanted.
func (r *Reader) connect() error {
	conn := &r.first
	if conn.limit.Context != nil {
		conn = new(connection)
	}
	length := int64(-1)
	if r.end != toTheEnd {
		length = r.left()
	}
	conn.limit.begin(r.ctx, r.object.Stall)
	reader, err := r.object.Bucket.NewRangeReader(&conn.limit, r.object.Key, r.offset, length, r.object.condition())
	if err = conn.waited(err); err != nil {
		conn.limit.end()
		return r.refused(err)
	}
	conn.Reader = reader
	r.conn, r.fault, r.received = conn, nil, false
	if err := r.verify(); err != nil {
		r.hangUp()
		return err
	}
	return nil
}

// condition makes a read fail if the object has another ETag by now. A store that is not the one that IfMatch is for is read
// without.
func (o *Object) condition() *blob.ReaderOptions {
	if o.IfMatch == nil || o.ETag == "" {
		return nil
	}
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		o.IfMatch(as, o.ETag)
		return nil
	}}
}

// refused is what it means that the store did not open the body. If the condition was not met, the object is another one.
func (r *Reader) refused(err error) error {
	o := &r.object
	if o.condition() == nil || gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return r.named(err)
	}
	var conn connection
	conn.limit.begin(r.ctx, o.Stall)
	defer conn.limit.end()
	now, err := o.Bucket.Attributes(&conn.limit, o.Key)
	if err = conn.waited(err); err != nil {
		return r.named(err)
	}
	return o.Changed("version", o.ETag, now.ETag)
}

// verify compares the open body with what is known of the object, and learns what was not known.
func (r *Reader) verify() error {
	o, size, mod := &r.object, r.conn.Size(), r.conn.ModTime()
	switch {
	case size < 0: // decoded on the way: the store cannot know
		o.Size = -1
	case o.Size < 0:
		o.Size = size
	case o.Size != size:
		return o.Changed("size", strconv.FormatInt(o.Size, 10), strconv.FormatInt(size, 10))
	}
	if !SameTime(o.ModTime, mod) {
		return o.Changed("modification time", o.ModTime.UTC().Format(time.RFC3339Nano), mod.UTC().Format(time.RFC3339Nano))
	}
	if o.ModTime.IsZero() {
		o.ModTime = mod
	}
	return nil
}

func (r *Reader) hangUp() {
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
}

// named adds the key and the position to err.
func (r *Reader) named(err error) error {
	if r.object.Size < 0 {
		return fmt.Errorf("object %q at byte %d: %w", r.object.Key, r.offset, err)
	}
	return fmt.Errorf("object %q at byte %d of %d: %w", r.object.Key, r.offset, r.object.Size, err)
}

func (c *connection) read(p []byte) (int, error) {
	c.limit.wait()
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		c.limit.waited()
		return n, err
	}
	return n, c.waited(err)
}

// waited ends a wait for the store: an err that comes from the stall limit or the caller says so.
func (c *connection) waited(err error) error {
	c.limit.waited()
	if err == nil {
		return nil
	}
	if ended := c.limit.ended(); ended != nil {
		return ended
	}
	return err
}

func (c *connection) close() {
	c.limit.end()
	c.Reader.Close()
	// It would only say that the reader was not closed, and keeps it over a collection: a tenth of what a small object costs.
	runtime.SetFinalizer(c.Reader, nil)
}

// SameTime compares modification times as far as both sides are precise: many stores give whole seconds in one place and
// fractions in another. A zero time is unknown and equals any.
func SameTime(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return true
	}
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		return a.Unix() == b.Unix()
	}
	return a.Equal(b)
}

// backoff is the wait before the n-th reopening, from 0: the first is at once.
func backoff(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return firstWait << (n - 1)
}

func sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // select would toss a coin
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
