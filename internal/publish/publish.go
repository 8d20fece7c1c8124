// Package publish writes whole objects, and reads them back: no other package of dmap writes to a bucket.
//
// An object appears complete or not at all: not after an error half way, not after a panic or Goexit of a driver, not
// after a cancelled context. Whoever must not overwrite gets a typed answer that survives lost answers of the store.
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
)

// ErrExists says that another writer has already created the object, with other content.
var ErrExists = errors.New("object exists already")

// Create writes content under key unless an object is there: then it returns ErrExists, except if that object is
// exactly content. So content must carry something unique: a store may do the write, lose the answer, be asked again
// by its SDK and refuse, and only reading back tells this from a writer that was faster.
func Create(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return persist(ctx, "create", key, int64(len(content)), func(ctx context.Context) error {
		err := upload(ctx, bucket, key, content, &blob.WriterOptions{ContentType: contentType, IfNotExist: true})
		if err == nil || ctx.Err() != nil {
			return err
		}
		same, readErr := holds(ctx, bucket, key, content)
		switch taken := gcerrors.Code(err) == gcerrors.FailedPrecondition; {
		case same:
			return nil
		case taken && gcerrors.Code(readErr) == gcerrors.NotFound: // refused, and not there yet: another write is on its way
			return fmt.Errorf("%w: %w", errUnderWay, err)
		case taken && readErr != nil:
			return fmt.Errorf("%w, and reading it back: %w", err, readErr)
		case taken:
			return ErrExists
		default:
			return err
		}
	})
}

// Replace writes content under key whether an object is there or not.
func Replace(ctx context.Context, bucket *blob.Bucket, key, contentType string, content []byte) error {
	return persist(ctx, "write", key, int64(len(content)), func(ctx context.Context) error {
		return upload(ctx, bucket, key, content, &blob.WriterOptions{ContentType: contentType})
	})
}

// upload is one attempt. Its context ends before the driver's writer is closed on every way out but success: a driver
// publishes what it has got when it is closed under a living context.
func upload(ctx context.Context, bucket *blob.Bucket, key string, content []byte, opts *blob.WriterOptions) (err error) {
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
	return bucket.Upload(ctx, key, &payload{Reader: bytes.NewReader(content), content: content, cancel: cancel}, opts)
}

// payload is what the driver reads. Drivers of cloud stores seek and read at offsets. All others are fed by WriteTo: the
// only place between a write that fails and the close that would publish the half object.
type payload struct {
	*bytes.Reader
	content []byte
	cancel  context.CancelFunc
}

// step is how much is written at once.
const step = 1 << 20

// WriteTo writes the rest of the content to w. If w is what will be published and does not take all of it, the upload is
// canceled.
func (p *payload) WriteTo(w io.Writer) (n int64, err error) {
	complete := false
	defer func() {
		if !complete && publishes(w) {
			p.cancel()
		}
	}()
	for p.Len() > 0 {
		rest := p.content[len(p.content)-p.Len():]
		chunk := rest[:min(step, len(rest))]
		m, err := w.Write(chunk)
		n += int64(m)
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

// publishes reports whether closing w makes an object of what it has got: a gocloud writer, or the file of fileblob, which
// takes the reader past it. Anything else is a hash or the connection of an SDK that is going to try again.
func publishes(w io.Writer) bool {
	switch w.(type) {
	case *blob.Writer, interface{ Fd() uintptr }:
		return true
	default:
		return false
	}
}
