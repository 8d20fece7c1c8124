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
	return persist(ctx, "create", key, func(ctx context.Context) error {
		err := upload(ctx, bucket, key, content, &blob.WriterOptions{ContentType: contentType, IfNotExist: true})
		if err == nil || ctx.Err() != nil {
			return err
		}
		same, readErr := holds(ctx, bucket, key, content)
		switch taken := gcerrors.Code(err) == gcerrors.FailedPrecondition; {
		case same:
			return nil
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
	return persist(ctx, "write", key, func(ctx context.Context) error {
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
	return bucket.Upload(ctx, key, &payload{bytes.NewReader(content), content, cancel}, opts)
}

// payload is what the driver reads. Cloud drivers seek and read at offsets; all others are fed by WriteTo, the only
// place between a failed write and the close that would publish the half object.
type payload struct {
	*bytes.Reader
	content []byte
	cancel  context.CancelFunc
}

// step is how much is written between two looks at the context.
const step = 1 << 20

// WriteTo writes the content to w and cancels the upload unless all of it was taken.
func (p *payload) WriteTo(w io.Writer) (n int64, err error) {
	complete := false
	defer func() {
		if !complete {
			p.cancel()
		}
	}()
	for rest := p.content; len(rest) > 0; {
		chunk := rest[:min(step, len(rest))]
		m, err := w.Write(chunk)
		n += int64(m)
		if err != nil {
			return n, err
		}
		if m != len(chunk) {
			return n, io.ErrShortWrite
		}
		rest = rest[m:]
	}
	complete = true
	return n, nil
}

// holds reports whether the object under key is exactly content.
func holds(ctx context.Context, bucket *blob.Bucket, key string, content []byte) (bool, error) {
	r, err := bucket.NewReader(ctx, key, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	if r.Size() != int64(len(content)) {
		return false, nil
	}
	buf := make([]byte, min(step, len(content)))
	for rest := content; len(rest) > 0; {
		part := buf[:min(len(buf), len(rest))]
		if _, err := io.ReadFull(r, part); err != nil {
			return false, err
		}
		if !bytes.Equal(part, rest[:len(part)]) {
			return false, nil
		}
		rest = rest[len(part):]
	}
	return true, nil
}
