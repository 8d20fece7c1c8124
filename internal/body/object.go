package body

import (
	"strconv"
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
	// Changed makes the error for an object that differs from the above, or that changes while it
	// is read.
	Changed func(what, was, now string) error
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

// verify compares the size and the modification time of an open body with those of the object, and
// fills in those that were unknown. A size of -1 says that the store decodes the body and cannot
// know its length.
func (o *Object) verify(size int64, modTime time.Time) error {
	switch {
	case size < 0:
		o.Size = -1
	case o.Size < 0:
		o.Size = size
	case o.Size != size:
		return o.Changed("size", strconv.FormatInt(o.Size, 10), strconv.FormatInt(size, 10))
	}
	if !SameTime(o.ModTime, modTime) {
		return o.Changed("modification time", formatTime(o.ModTime), formatTime(modTime))
	}
	if o.ModTime.IsZero() {
		o.ModTime = modTime
	}
	return nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// SameTime compares modification times as far as both sides are precise: many stores return whole
// seconds in one place and fractions in another. A zero time is unknown and equals any.
func SameTime(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return true
	}
	if a.Nanosecond() == 0 || b.Nanosecond() == 0 {
		return a.Unix() == b.Unix()
	}
	return a.Equal(b)
}
