// Package body reads the bytes of one object to their end, or returns why it cannot: it resumes
// after a reset, counts the bytes that arrive, cuts a stalled connection, and notices when the
// object is another one than was asked for.
package body

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/requests"
	"github.com/go-dmap/dmap/internal/throttle"
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
	start   int64       // from here on bytes before offset are known
	strict  bool        // fails instead of reading from the start of the object
	whole   bool        // ranges are not those of the bytes that come: read from the start
	conn    *connection // nil: none is open
	connErr error       // of conn, to be handled after the bytes that came with it
	first   connection  // the memory of conn until a body breaks off, which most never do

	skip   int64         // bytes that conn gives before the one at offset
	recent [overlap]byte // the last bytes that were read, of which skipped ones must be a copy

	reopens  int   // since the body broke off at brokeAt
	brokeAt  int64 // offset
	received bool  // conn has given bytes
	gained   int64 // bytes after offset that conn has given
}

// toTheEnd is the end of a range that has none.
const toTheEnd = -1

// overlap is the number of bytes that a continued reading asks for again, to find out whether the
// store returns the bytes that it was asked for.
const overlap = 16

// ErrRange says that a store does not return the range of an object that it was asked for. The
// object can still be read from its start to its end.
var ErrRange = errors.New("the store does not return the range that it was asked for")

// Open starts reading o at offset. If offset is the known end, it makes no request. An object whose
// size the store does not tell, as it undoes an encoding, is read from its start, and the bytes
// before offset are dropped: ranges would be those of the stored bytes. ctx must live as long as
// the Reader. Errors name the object and the offset.
func Open(ctx context.Context, o Object, offset int64) (*Reader, error) {
	r := &Reader{ctx: ctx, object: o, offset: offset, start: offset, end: toTheEnd, brokeAt: offset}
	return r.open()
}

// OpenRange is Open for the bytes from offset to before end. It asks the store for no others, and
// counts them, because some stores end a body early without an error. If the store sends others, or
// does not tell the size of the object, it returns ErrRange, or the Read of the last byte does.
func OpenRange(ctx context.Context, o Object, offset, end int64) (*Reader, error) {
	r := &Reader{ctx: ctx, object: o, offset: offset, start: offset, end: max(end, 0), strict: true, brokeAt: offset}
	return r.open()
}

// OpenLines reads the bytes from offset to before end, or to the end of the object if end is -1.
// offset is 0, or that after a line end. If another byte is there, the store has sent another
// range: then the object is read from its start up to end.
func OpenLines(ctx context.Context, o Object, offset, end int64) (*Reader, error) {
	r := &Reader{ctx: ctx, object: o, offset: offset, start: offset, end: max(end, toTheEnd), brokeAt: offset}
	if offset > 0 {
		r.start--
		r.recent[overlap-1] = '\n'
	}
	return r.open()
}

func (r *Reader) open() (*Reader, error) {
	o := &r.object
	if o.Size == 0 { // it is empty, or the store did not tell
		o.Size = -1
	}
	if r.end == toTheEnd && r.offset > 0 && r.offset == o.Size ||
		r.end != toTheEnd && (r.offset >= r.end || o.Size >= 0 && r.offset >= o.Size) {
		return r, nil
	}
	if err := r.connectPatiently(); err != nil {
		return nil, err
	}
	return r, nil
}

// connectPatiently is connect. While a source reads, it is repeated if the store throttles: nothing
// else repeats it for as long.
func (r *Reader) connectPatiently() error {
	if requests.Reading(r.ctx) == nil {
		return r.connect()
	}
	retry := transient.Retry{
		Patience: transient.Patience, Backoff: transient.Backoff{First: transient.ThrottledWait, Max: transient.LongestThrottledWait},
		Again: throttle.Is,
	}
	_, err := retry.Do(r.ctx, r.connect)
	return err
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
		if r.connErr == nil {
			n, err := r.readConn(p, remaining)
			if n > 0 || err != nil {
				return n, err
			}
			if r.connErr == nil {
				continue
			}
		}
		if r.connErr == io.EOF && r.object.Size < 0 && r.skip == 0 {
			return 0, io.EOF
		}
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
}

// readConn reads from the connection, at most remaining bytes unless that is -1. Errors of the
// connection go to connErr; the error that it returns is final.
func (r *Reader) readConn(p []byte, remaining int64) (int, error) {
	if r.skip > 0 {
		return 0, r.skipConn(p)
	}
	if remaining > 0 {
		p = p[:min(int64(len(p)), remaining)]
	}
	n, err := r.conn.read(p)
	r.connErr = err
	if n == 0 {
		return 0, nil
	}
	r.offset += int64(n)
	r.gained += int64(n)
	r.received = true
	if n >= overlap {
		copy(r.recent[:], p[n-overlap:n])
	} else {
		copy(r.recent[:], r.recent[n:])
		copy(r.recent[overlap-n:], p[:n])
	}
	if int64(n) == remaining {
		if err := r.checkEnd(); err != nil {
			return 0, err // no bytes: io.ReadFull would drop the error
		}
	}
	return n, nil
}

// checkEnd returns ErrRange if the connection gives more than the range that was asked for: then
// the bytes may be others than those of the range, such as the first ones of the object. At the end
// of a whole object the SDKs compare its checksum.
func (r *Reader) checkEnd() error {
	whole := r.conn.whole && r.end == toTheEnd
	if !whole && (!r.conn.ranged || r.connErr != nil) {
		return nil
	}
	n := 0
	if r.connErr == nil { // some bodies end with their last byte
		n, r.connErr = r.conn.read(r.conn.first[:]) // which was read before
	}
	err := r.connErr
	switch {
	case whole && n == 0 && isFinal(err):
		return r.wrap(err)
	case whole: // all bytes came, and they are as many as the store said
		return nil
	case n > 0:
		return r.wrap(fmt.Errorf("%w: it sends more bytes", ErrRange))
	}
	return nil
}

// isFinal reports whether err, after the last byte, is more than a connection that breaks off.
func isFinal(err error) bool {
	return err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrStalled) &&
		transient.Classify(err) != transient.Transient
}

// skipConn drops bytes before offset, by means of p. Those that were read before must come again.
func (r *Reader) skipConn(p []byte) error {
	n, err := r.conn.read(p[:min(int64(len(p)), r.skip)])
	r.connErr = err
	r.received = r.received || n > 0
	for i, b := range p[:n] {
		before := r.skip - int64(i) // bytes before offset
		if before > min(overlap, r.offset-r.start) || r.recent[overlap-before] == b {
			continue
		}
		failed := fmt.Errorf("%w: byte %d is another one than before", ErrRange, r.offset-before)
		if r.whole {
			return r.wrap(failed)
		}
		r.whole, r.connErr = true, failed
		if r.offset == r.start+1 { // the line end was assumed
			r.start = r.offset
		}
		return nil
	}
	r.skip -= int64(n)
	return nil
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
	if !r.strict && errors.Is(cause, gzip.ErrHeader) {
		r.object.Size, r.whole = -1, true // the client decodes a range as if it were the whole object
	}
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
		failed = r.connectPatiently()
		if failed == nil || errors.Is(failed, ErrStalled) || transient.Classify(failed) != transient.Transient ||
			requests.Reading(r.ctx) != nil && throttle.Is(failed) { // its patience is over
			return failed
		}
	}
	return failed
}

// connect opens the body at the offset and checks that it is the object that was asked for. To
// continue a reading it asks for some bytes before, too.
func (r *Reader) connect() error {
	from, length := r.offset, int64(-1)
	if !r.strict && (r.offset == r.start+1 || r.gained >= 4*overlap) { // one that gives less would not get ahead
		from -= min(overlap, r.offset-r.start)
	}
	if r.end != toTheEnd {
		length = r.remaining() + r.offset - from
	}
	if !r.strict && r.offset > 0 && (r.object.Size < 0 || r.object.Size > 0 && r.offset > r.object.Size) {
		r.whole = true // the bytes are not the stored ones
	}
	if r.whole {
		from, length = 0, -1
	}
	err := r.connectAt(from, length)
	if errors.Is(err, errUnmatched) { // without the condition
		err = r.connectAt(from, length)
	}
	if errors.Is(err, errUnsized) && from > 0 {
		if r.strict {
			return r.wrap(fmt.Errorf("%w: it does not tell the size of the object", ErrRange))
		}
		r.whole = true
		err = r.connectAt(0, -1)
	}
	if errors.Is(err, errUnsized) {
		err = nil
	}
	return err
}

// connectAt opens the body at from. If it returns errUnsized the body is open only if from is 0.
func (r *Reader) connectAt(from, length int64) error {
	conn := &r.first
	if conn.ctx.Context != nil {
		conn = new(connection)
	}
	o := &r.object
	if !o.Regular {
		if err := hostfolder.CheckReadable(r.ctx, o.Bucket, o.Key); err != nil {
			return r.wrap(err)
		}
	}
	if err := r.request(conn, from, length); err != nil {
		conn.ctx.release()
		return r.openError(err)
	}
	r.conn, r.connErr, r.received, r.gained = conn, nil, false, 0
	begin, told, err := o.verify(conn, from, length)
	// A range from the start has the right bytes, whatever follows them: only planning wants to
	// know.
	conn.ranged = !told && (from > 0 || r.strict && length >= 0)
	conn.whole = from == 0 && length < 0 && begin == 0
	r.skip = r.offset - begin
	switch {
	case err == nil && r.skip < 0:
		err = r.wrap(fmt.Errorf("%w: it begins at byte %d", ErrRange, begin))
	case err == nil && r.strict && r.skip > 0:
		err = r.wrap(fmt.Errorf("%w: it begins at byte %d", ErrRange, begin))
	}
	if err != nil && (!errors.Is(err, errUnsized) || from > 0) {
		r.closeConn()
	}
	return err
}

// request opens a body when the store takes another request.
func (r *Reader) request(conn *connection, from, length int64) error {
	limits := requests.Reading(r.ctx)
	if limits == nil {
		return r.requestNow(conn, from, length)
	}
	return limits.Do(r.ctx, func() error { return r.requestNow(conn, from, length) })
}

func (r *Reader) requestNow(conn *connection, from, length int64) (err error) {
	defer func() { // drivers panic at some answers, as those without a time
		if p := recover(); p != nil {
			err = conn.endWait(fmt.Errorf("the bucket's driver does not understand the answer: panic: %v", p))
		}
	}()
	conn.ctx.start(r.ctx, r.object.Stall)
	conn.Reader, err = r.object.Bucket.NewRangeReader(&conn.ctx, r.object.Key, from, length, r.object.condition())
	return conn.endWait(err)
}

// openError returns the error for a body that the store did not open. If the store refused the
// condition, the object has changed.
func (r *Reader) openError(err error) error {
	o := &r.object
	if o.condition() == nil || gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return r.wrap(err)
	}
	refused := err
	var conn connection
	conn.ctx.start(r.ctx, o.Stall)
	defer conn.ctx.release()
	now, err := o.Bucket.Attributes(&conn.ctx, o.Key)
	if err = conn.endWait(err); err != nil {
		return r.wrap(err)
	}
	weak := strings.HasPrefix(now.ETag, "W/") // no condition matches it
	if SameETag(o.ETag, now.ETag) && (weak || o.ETag != now.ETag) {
		o.IfMatch = nil
		return fmt.Errorf("%w: %w", errUnmatched, r.wrap(refused))
	}
	return o.Changed("version", o.ETag, now.ETag)
}

// errUnmatched says that the store refuses the condition for the object that it has.
var errUnmatched = errors.New("the store does not match the ETag that it gives")

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
