package body

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// Object is the object to read and the knowledge about it, with which each open body is compared.
type Object struct {
	Bucket  *blob.Bucket
	Key     string
	Size    int64         // -1: unknown
	ModTime time.Time     // zero: unknown
	ETag    string        // empty: unknown. Only IfMatch compares it
	Stall   time.Duration // the longest wait for a byte; 0: no limit
	// Regular says that a listing has seen a regular file, where the bucket is a folder of this
	// host. Others are checked before they are opened: to open a named pipe may never end.
	Regular bool
	// IfMatch makes a request fail unless the object has that ETag; see source.StoreFeatures. nil:
	// the store cannot.
	IfMatch func(as func(any) bool, etag string) bool
	// Answer returns what the store says about an open body; see source.StoreFeatures. nil: only
	// what gocloud tells is known.
	Answer func(as func(any) bool) (Answer, bool)
	// Changed makes the error for an object that differs from the above, or that changes while it
	// is read.
	Changed func(what, was, now string) error
}

// Answer is what a store says about an open body.
type Answer struct {
	Begin   int64  // offset in the object of the first byte of the body
	Size    int64  // of the object; -1: it does not say
	Encoded bool   // the object has an encoding that the store, or something before it, may undo
	ETag    string // empty: it does not say
}

// condition makes a request fail if the object has another ETag by now. It has no effect on a store
// of another kind than IfMatch is for.
func (o *Object) condition() *blob.ReaderOptions {
	if o.IfMatch == nil || o.ETag == "" {
		return nil
	}
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		o.IfMatch(as, o.ETag)
		return nil
	}}
}

// errUnsized says that the size of the object is not known, nor whether ranges are those of its
// bytes.
var errUnsized = errors.New("the store does not tell the size of the object")

// verify compares an open body with the object, and fills in unknown fields. from and length are
// those of the request; a length of -1 is that to the end. It returns the offset of the first byte
// of the body, and whether the store told it, or errUnsized.
func (o *Object) verify(conn *connection, from, length int64) (begin int64, told bool, err error) {
	var a Answer
	if o.Answer != nil {
		a, told = o.Answer(conn.As)
	}
	sameTag := told && a.ETag != "" && o.ETag != ""
	if sameTag && !SameETag(a.ETag, o.ETag) {
		return 0, told, o.Changed("version", o.ETag, a.ETag)
	}
	if told {
		known := o.Size
		begin, err = a.Begin, o.verifySize(a)
		if err == nil && o.Size < 0 && from == 0 {
			err = o.verifyEmpty(conn, known)
		}
		if err == nil && a.Encoded && a.Begin > 0 { // a range of the stored bytes; others were decoded
			err = errUnsized
		}
	} else {
		begin, err = from, o.guessSize(conn, from, length)
	}
	if err != nil && !errors.Is(err, errUnsized) {
		return 0, told, err
	}
	if modTime := conn.ModTime(); o.ModTime.IsZero() {
		o.ModTime = modTime
	} else if !sameTag && !SameTime(o.ModTime, modTime) {
		return 0, told, o.Changed("modification time", formatTime(o.ModTime), formatTime(modTime))
	}
	return begin, told, err
}

// verifySize compares the size of an Answer.
func (o *Object) verifySize(a Answer) error {
	switch {
	case a.Encoded && (a.Size < 0 || o.Size >= 0 && a.Size != o.Size):
		o.Size = -1 // of the stored bytes; these are decoded
	case a.Size < 0: // the known size holds
	case o.Size < 0:
		o.Size = a.Size
	case o.Size != a.Size:
		return o.sizeChanged(a.Size)
	}
	return nil
}

// guessSize compares the size that gocloud gives. That is the size of the object where the answer
// has it, else the length of the body, and 0 if the answer has no length. It is -1 where the
// driver knows that the store decodes the body.
func (o *Object) guessSize(conn *connection, from, length int64) error {
	size := conn.Size()
	if size <= 0 && from > 0 {
		return errUnsized
	}
	requested := length // the length of the body if it is as requested; -1: not known
	if length < 0 && from > 0 && o.Size >= 0 {
		requested = o.Size - from
	}
	switch {
	case size == 0 && o.Size > 0, size < 0 && o.Size > maxEncodedEmpty:
		if !conn.peek() {
			return o.sizeChanged(0)
		}
		o.Size = -1
		return errUnsized
	case size < 0 && o.Size < 0 && from == 0 && !conn.peek():
		return o.checkEmpty(conn)
	case size <= 0:
		o.Size = -1
		return errUnsized
	case size == o.Size, size == requested: // the latter without the size of the object
	case o.Size >= 0:
		return o.sizeChanged(size)
	case size <= from:
		return errUnsized
	default:
		o.Size = size
	}
	return nil
}

// verifyEmpty returns an error if no byte comes of an object whose known size is that of more than
// an encoded empty object.
func (o *Object) verifyEmpty(conn *connection, known int64) error {
	switch {
	case known >= 0 && known <= maxEncodedEmpty || conn.peek():
		return nil
	case known < 0:
		return o.checkEmpty(conn)
	}
	o.Size = known
	return o.sizeChanged(0)
}

// checkEmpty asks for the size of an object of which no byte came, and no length.
func (o *Object) checkEmpty(conn *connection) error {
	conn.ctx.beginWait()
	now, err := o.Bucket.Attributes(&conn.ctx, o.Key)
	if err = conn.endWait(err); err != nil && conn.ctx.cause() != nil {
		return err
	}
	if err == nil && now.Size > maxEncodedEmpty {
		o.Size = now.Size
		return o.sizeChanged(0)
	}
	return errUnsized
}

// maxEncodedEmpty is the size up to which stored bytes may be those of an empty object with an
// encoding: a header of gzip may hold a file name and a comment.
const maxEncodedEmpty = 1 << 10

func (o *Object) sizeChanged(now int64) error {
	return o.Changed("size", strconv.FormatInt(o.Size, 10), strconv.FormatInt(now, 10))
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// SameTime compares modification times as far as both sides are precise: many stores return whole
// seconds in one place, rounded down or up, and fractions in another. A zero time is unknown and
// equals any.
func SameTime(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() || a.Equal(b) {
		return true
	}
	if a.Nanosecond() != 0 && b.Nanosecond() != 0 {
		return false
	}
	apart := a.Sub(b).Abs()
	return apart < time.Second
}

// SameETag compares ETags. Some stores give them with quotes in one place and without in another,
// or as weak ones when they compress a body.
func SameETag(a, b string) bool { return coreETag(a) == coreETag(b) }

func coreETag(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}
