package source

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// DefaultStallTimeout is how long reading waits for a byte before it gives up.
const DefaultStallTimeout = time.Minute

// Object is an object of a bucket as the listing described it. It goes through JSON as plain data,
// and loses its bucket there: only one that Objects yielded, or that In has bound, can be read.
type Object struct {
	Key     string    `json:"key"`
	Size    int64     `json:"size"` // bytes
	ModTime time.Time `json:"modTime,omitzero"`
	MD5     string    `json:"md5,omitempty"`  // hexadecimal; empty where the store gives none
	ETag    string    `json:"etag,omitempty"` // see Store.ETag

	from *origin `dmap:"-"`
}

// origin is what the objects of one listing share: how to read them.
type origin struct {
	bucket *blob.Bucket
	stall  time.Duration // 0: no limit
	store  StoreFeatures
	answer func(as func(any) bool) (body.Answer, bool) // store.Answer; nil: there is none
	// listed says that a listing has seen regular files, if the bucket is a folder of this host. It
	// gives other files the size -1.
	listed bool
	most   int64 // bytes that are read into memory; 0: DefaultMaxObject; negative: no limit

	buffers buffers // for DecodeJSON
}

// newOrigin resolves an option: 0 is the default, negative is none.
func newOrigin(bucket *blob.Bucket, stall time.Duration) *origin {
	switch {
	case stall == 0:
		stall = DefaultStallTimeout
	case stall < 0:
		stall = 0
	}
	return &origin{bucket: bucket, stall: stall}
}

func (o *origin) object(listed *blob.ListObject) Object {
	return Object{
		Key: listed.Key, Size: listed.Size, ModTime: listed.ModTime, MD5: hex.EncodeToString(listed.MD5), from: o,
	}
}

// In returns o bound to bucket, from where it is read: what an Object needs that came back from
// JSON.
func (o Object) In(bucket *blob.Bucket) Object {
	o.from = newOrigin(bucket, 0)
	return o
}

// Open reads the object as it is now, which may be another one than was listed. The body resumes
// after a reset, ends only after the last byte, and fails with ErrStalled when none comes for the
// stall timeout, with a *ChangedError when the object changes while it is read, and with a
// gcerrors.NotFound, which has the class "gone", when there is none. ctx must live as long as the
// reader, which one goroutine uses and closes.
func (o Object) Open(ctx context.Context) (io.ReadCloser, error) {
	return o.openNow(ctx)
}

// openNow reads the object from its start as it is now. That costs another request only if it is
// not the one that was listed.
func (o Object) openNow(ctx context.Context) (*body.Reader, error) {
	r, err := o.open(ctx, 0)
	if !errors.Is(err, ErrChanged) {
		return r, err
	}
	o, attributes, err := o.attributesNow(ctx)
	if err != nil {
		return nil, err
	}
	if undone(attributes.ContentEncoding) {
		o.Size = -1
	}
	return o.open(ctx, 0)
}

// now requests the size, time and ETag of the object.
func (o Object) now(ctx context.Context) (Object, error) {
	o, _, err := o.attributesNow(ctx)
	return o, err
}

func (o Object) attributesNow(ctx context.Context) (Object, *blob.Attributes, error) {
	if o.from == nil {
		return o, nil, o.noBucket()
	}
	limited := ctx
	if stall := o.from.stall; stall > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, stall, ErrStalled)
		defer cancel()
	}
	err := hostfolder.CheckReadable(limited, o.from.bucket, o.Key)
	var attributes *blob.Attributes
	if err == nil {
		attributes, err = o.from.bucket.Attributes(limited, o.Key)
	}
	switch {
	case err != nil && limited.Err() != nil && !transient.Answered(err):
		err = context.Cause(limited)
	case err != nil && limited.Err() != nil: // with the last answer, to an SDK that retries
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	case transient.Absent(err):
		err = body.NewGone(err)
	}
	if err != nil {
		return o, nil, transient.Explain(fmt.Errorf("object %q: %w", o.Key, err))
	}
	o.Size, o.ModTime, o.ETag, o.MD5 = attributes.Size, attributes.ModTime, attributes.ETag, hex.EncodeToString(attributes.MD5)
	if current := o.from.store.CurrentETag; current != nil {
		err = guard(func() error { o.ETag = current(attributes); return nil })
	}
	return o, attributes, err
}

func (o Object) open(ctx context.Context, offset int64) (*body.Reader, error) {
	stored, err := o.stored()
	if err != nil {
		return nil, err
	}
	return body.Open(ctx, stored, offset)
}

// stored is o for those who read it.
func (o Object) stored() (body.Object, error) {
	if o.from == nil {
		return body.Object{}, o.noBucket()
	}
	key := o.Key // not all of o on the heap
	return body.Object{
		Bucket: o.from.bucket, Key: key, Size: o.Size, ModTime: o.ModTime, ETag: o.ETag,
		Stall: o.from.stall, IfMatch: o.from.store.IfMatch, Answer: o.from.answer, Regular: o.from.listed && o.Size >= 0,
		Changed: func(what, was, now string) error {
			return &ChangedError{Key: key, What: what, Was: was, Now: now}
		},
	}, nil
}

func (o Object) noBucket() error {
	return fmt.Errorf("object %q: not from a listing, so its bucket is unknown: see Object.In", o.Key)
}

// trustedSize is up to which size memory is taken at once, before the bytes have come.
const trustedSize = 16 << 20

// limit is the largest object that is read into memory.
func (o *origin) limit() int64 {
	switch {
	case o.most < 0:
		return math.MaxInt64 - 1
	case o.most == 0:
		return DefaultMaxObject
	}
	return o.most
}

// tooLarge is the error for an object that is larger than the limit.
func (o Object) tooLarge() error {
	return &LimitError{
		Object: o.Key, Limit: "bytes of an object in memory", Max: o.from.limit(),
		next: "set ObjectsOptions.MaxObject, or read the object by Open",
	}
}

// ReadAll reads the whole object into memory; see Open. An object of more than
// ObjectsOptions.MaxObject is a *LimitError, found before it is read if the store tells its size.
func (o Object) ReadAll(ctx context.Context) ([]byte, error) { return o.ReadInto(ctx, nil) }

// ReadInto is ReadAll into the memory of buf, up to its capacity: for many objects that are read
// one after the other. It returns the object alone, in other memory if that of buf was too small.
func (o Object) ReadInto(ctx context.Context, buf []byte) ([]byte, error) {
	r, err := o.openNow(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	most := o.from.limit()
	if r.Size() > most {
		return nil, o.tooLarge()
	}
	if size := r.Size(); size >= 0 && size <= max(trustedSize, int64(cap(buf))) {
		if int64(cap(buf)) < size {
			buf = make([]byte, size)
		}
		n, err := io.ReadFull(r, buf[:size])
		return buf[:n], err
	}
	all := bytes.NewBuffer(buf[:0])
	if _, err = all.ReadFrom(io.LimitReader(r, most+1)); err == nil && int64(all.Len()) > most {
		return nil, o.tooLarge()
	}
	return all.Bytes(), err
}

// DecodeJSON reads the object, which must hold one JSON value, into v. It has the limit of ReadAll.
func (o Object) DecodeJSON(ctx context.Context, v any) error {
	buf := new([]byte)
	if o.from != nil { // otherwise the reading returns the error
		buf = o.from.buffers.get()
	}
	data, err := o.ReadInto(ctx, *buf)
	if err != nil {
		return err
	}
	if err = decodeJSON(data, v); err != nil {
		err = fmt.Errorf("object %q%s: %w", o.Key, jsonPosition(err), guarded.Shown(err))
	}
	*buf = data
	o.from.buffers.put(buf)
	return err
}

// decodeJSON must not let v keep any part of data, which is used again.
func decodeJSON(data []byte, v any) error { return json.Unmarshal(data, v) }

// keepBuffer is the largest buffer that is kept for the next object.
const keepBuffer = 256 << 10

// buffers are kept for the objects of one listing.
type buffers struct{ pool sync.Pool } // of *[]byte

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

func (b *buffers) put(buf *[]byte) {
	if cap(*buf) <= keepBuffer {
		b.pool.Put(buf)
	}
}

// undone reports whether the store, or something before it, may undo an encoding: then the size of
// an object is not that of the bytes that come, and offsets are not those of ranges.
func undone(encoding string) bool {
	for name := range strings.SplitSeq(encoding, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "", "identity", "aws-chunked": // the last one is how an object was uploaded
		default:
			return true
		}
	}
	return false
}

// version is the object's ETag, or its size and modification time where there is none.
func version(o Object) string {
	if o.ETag != "" {
		return o.ETag
	}
	return fmt.Sprintf("%d bytes of %s", o.Size, strconv.FormatInt(o.ModTime.UnixNano(), 10))
}
