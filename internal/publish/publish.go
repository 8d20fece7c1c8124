// Package publish writes whole objects and reads them back. No other package of dmap writes to a
// bucket.
//
// An object appears complete or not at all, also if an upload fails half way, a driver panics or
// calls runtime.Goexit, or the context is canceled. A create-only write reports reliably whether
// another writer was first, even if the store's answer was lost.
package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/transient"
)

// Errors of create-only writes.
var (
	// ErrExists says that another writer has created the object, with other content.
	ErrExists = errors.New("object exists already")
	// ErrNotExclusive says that the store replaces an object that is to be created only if there is
	// none.
	ErrNotExclusive = attention.Mark(errors.New("the store ignores create-only writes (If-None-Match: *)"))
)

// Create writes content under key unless an object exists there. If one exists, Create returns
// ErrExists, or nil if that object is exactly content.
//
// So content must contain something unique to its writer. If the answer to a successful write is
// lost, the SDK repeats the request and the store refuses it. Only the content of the object tells
// this case from another writer that was first.
func Create(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return persist(ctx, "create", key, func(ctx *transient.Limit) error {
		err := exclusively(ctx, bucket, key, func() error { return uploadNew(ctx, bucket, key, contentType, content) })
		if err == nil {
			return stored(ctx, bucket, key)
		}
		if ctx.Err() != nil {
			return err
		}
		same, readErr := holds(ctx, bucket, key, content)
		switch taken := refused(err); {
		case same:
			return nil
		case taken && transient.Absent(readErr):
			return fmt.Errorf("%w: %w", errUnderWay, err)
		case taken && readErr != nil:
			return fmt.Errorf("%w; reading it back to see whose it is: %w", err, readErr)
		case taken:
			return ErrExists
		default:
			return err
		}
	})
}

// Claim is Create that also finds out whether the store refuses to create an object twice: after it
// has created the object it asks the store to create the same again. ErrNotExclusive says that the
// store did: it has replaced the object, by the same content.
//
// The second request names an object that is as new as any that racing writers create: some stores
// refuse to replace old objects only. Others look whether there is an object and then write, so
// that of two writers both succeed: Claim reads the object back, too, and returns ErrExists if it
// is another's. These are two small requests more than Create makes.
func Claim(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	if err := Create(ctx, bucket, key, contentType, content); err != nil {
		return err
	}
	return CreateAgain(ctx, bucket, key, contentType, content)
}

// CreateAgain is the second half of Claim: it asks the store to create an object again that Create
// has created, which the store must refuse.
func CreateAgain(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return persist(ctx, "create again", key, func(ctx *transient.Limit) error {
		err := uploadNew(ctx, bucket, key, contentType, content)
		switch {
		case err == nil:
			return ErrNotExclusive
		case !refused(err):
			return err
		}
		same, err := holds(ctx, bucket, key, content)
		if err == nil && !same {
			return ErrExists
		}
		return err
	})
}

// Replace writes content under key, also if an object exists there.
func Replace(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return persist(ctx, "write", key, func(ctx *transient.Limit) error {
		if err := upload(ctx, bucket, key, content, &blob.WriterOptions{ContentType: contentType}); err != nil {
			return err
		}
		return stored(ctx, bucket, key)
	})
}

// stored returns an error if an object that was just written is not there: something before the
// store may have answered in its place. A folder of this host has no such thing. The right to write
// does not include the one to look, and a driver that panics cannot look.
func stored(ctx *transient.Limit, bucket *blob.Bucket, key string) (err error) {
	if IsLocal(bucket) {
		return nil
	}
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	switch _, err := bucket.Attributes(ctx, key); {
	case transient.Absent(err):
		return fmt.Errorf("%w: %w", errNotStored, err)
	case transient.Refused(err):
		return nil
	case err != nil:
		return fmt.Errorf("look whether it is stored: %w", err)
	}
	return nil
}

// uploadNew is one attempt to write an object unless there is one.
func uploadNew(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return upload(ctx, bucket, key, content, &blob.WriterOptions{ContentType: contentType, IfNotExist: true})
}

// upload is one attempt. Unless it succeeds, its context ends before the driver's writer is closed:
// a driver that is closed under a live context publishes the bytes that it has received.
func upload(ctx context.Context, bucket *blob.Bucket, key string, content []byte, opts *blob.WriterOptions) (err error) {
	limit, _ := ctx.(*transient.Limit) // of persist
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the bucket's driver: %v\n%s", p, debug.Stack())
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not WriteAll, not Writer.Close: azureblob panics there when an upload fails.
	put := func(ctx context.Context) error {
		return bucket.Upload(ctx, key, &payload{Reader: bytes.NewReader(content), content: content, limit: limit, cancel: cancel}, opts)
	}
	if !IsLocal(bucket) {
		return put(ctx)
	}
	return uploadToFolder(ctx, bucket, key, content, opts, put)
}

// refused reports whether err says that an object exists where one was to be created.
func refused(err error) bool {
	return gcerrors.Code(err) == gcerrors.FailedPrecondition || errors.Is(err, errThere)
}

// payload is the content as the driver reads it. Drivers of cloud stores seek and read at offsets.
// All others call WriteTo, which is the only code that runs between a failed write and the close
// that would publish half an object.
type payload struct {
	*bytes.Reader
	content []byte
	limit   *transient.Limit
	cancel  context.CancelFunc
}

// Read gives the upload more time for the bytes that the driver takes.
func (p *payload) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.limit.Move(int64(n))
	return n, err
}

// ReadAt is Read at an offset.
func (p *payload) ReadAt(b []byte, offset int64) (int, error) {
	n, err := p.Reader.ReadAt(b, offset)
	p.limit.Move(int64(n))
	return n, err
}

// WriteTo writes the remaining content to w. If w publishes on close and does not take all of it,
// WriteTo cancels the upload.
func (p *payload) WriteTo(w io.Writer) (n int64, err error) {
	complete := false
	defer func() {
		if !complete && publishes(w) {
			p.cancel()
		}
	}()
	for p.Len() > 0 {
		remaining := p.content[len(p.content)-p.Len():]
		chunk := remaining[:min(step, len(remaining))]
		m, err := w.Write(chunk)
		n += int64(m)
		p.limit.Move(int64(m))
		if err != nil {
			return n, err
		}
		if m != len(chunk) {
			return n, io.ErrShortWrite
		}
		if _, err := p.Seek(int64(m), io.SeekCurrent); err != nil {
			return n, err
		}
	}
	complete = true
	return n, nil
}

// publishes reports whether closing w makes an object of the bytes written to it. A gocloud writer
// does, and so does the file of fileblob, which reads the payload without that writer. Any other w
// is a hash, or the connection of an SDK, which will read the payload again.
func publishes(w io.Writer) bool {
	switch w.(type) {
	case *blob.Writer, interface{ Fd() uintptr }:
		return true
	default:
		return false
	}
}
