package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/transient"
)

// Read returns the whole object under key. An object of more than limit bytes is a *TooLargeError.
// A body that breaks off is read again from the start.
func Read(ctx context.Context, bucket *blob.Bucket, key string, limit int64) (content []byte, err error) {
	err = persist(ctx, "read", key, func(ctx *transient.Limit) error {
		content, err = read(ctx, bucket, key, limit)
		return err
	})
	return content, err
}

// TooLargeError is an object with more bytes than the limit that Read was given.
type TooLargeError struct {
	Size int64 // -1: not known
	Max  int64
}

func (e *TooLargeError) Error() string {
	if e.Size < 0 {
		return fmt.Sprintf("the object has more than %d bytes, which is the limit", e.Max)
	}
	return fmt.Sprintf("the object has %d bytes, want at most %d", e.Size, e.Max)
}

// Exists reports whether there is an object under key. An answer that does not clearly say so is an
// error.
func Exists(ctx context.Context, bucket *blob.Bucket, key string) (there bool, err error) {
	err = persist(ctx, "look for", key, func(ctx *transient.Limit) error {
		err := hostfolder.CheckReadable(ctx, bucket, key)
		if err == nil {
			_, err = bucket.Attributes(ctx, key)
		}
		if there = err == nil; transient.Absent(err) {
			return nil
		}
		return err
	})
	return there, err
}

// Page returns one page of the objects under prefix and the token of the next page, which is nil
// after the last. The token of the first page is blob.FirstPageToken.
func Page(ctx context.Context, bucket *blob.Bucket, prefix string, token []byte) (page []*blob.ListObject, next []byte, err error) {
	return pageOf(ctx, bucket, &blob.ListOptions{Prefix: prefix}, token)
}

// Folders returns the next page of the names below prefix that end in the next "/", each with that
// and the prefix. A page may be empty.
func Folders(ctx context.Context, bucket *blob.Bucket, prefix string, token []byte) (names []string, next []byte, err error) {
	page, next, err := pageOf(ctx, bucket, &blob.ListOptions{Prefix: prefix, Delimiter: "/"}, token)
	if errors.Is(err, io.EOF) {
		return nil, nil, nil
	}
	for _, o := range page {
		if o.IsDir {
			names = append(names, o.Key)
		}
	}
	return names, next, err
}

func pageOf(ctx context.Context, bucket *blob.Bucket, of *blob.ListOptions, token []byte) (page []*blob.ListObject, next []byte, err error) {
	prefix := of.Prefix
	err = persist(ctx, "list", prefix, func(ctx *transient.Limit) error {
		if err := hostfolder.CheckListable(ctx, bucket, prefix); err != nil {
			return err
		}
		for range lookAgain {
			page, next, err = listPage(ctx, bucket, of, token)
			if !vanished(bucket, err) {
				return err
			}
		}
		return fmt.Errorf("%w: %w", errChanging, err)
	})
	return page, next, err
}

// lookAgain is how often a folder is listed before the next attempt.
const lookAgain = 100

// vanished reports whether a file of a local folder was removed while its driver listed the folder:
// the temporary file, or the lock, of a process that writes there.
func vanished(bucket *blob.Bucket, err error) bool {
	return err != nil && transient.Absent(err) && hostfolder.Is(bucket)
}

// listPage is Bucket.ListPage, whose drivers panic at some answers, as azureblob at an empty one.
func listPage(ctx context.Context, bucket *blob.Bucket, of *blob.ListOptions, token []byte) (page []*blob.ListObject, next []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the bucket's driver does not understand the answer: panic: %v: %w", p, io.ErrUnexpectedEOF)
		}
	}()
	return bucket.ListPage(ctx, token, 1000, of)
}

// moving gives an attempt more time for the bytes that come.
type moving struct {
	io.Reader
	limit *transient.Limit
}

func (m moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.limit.Move(int64(n))
	return n, err
}

func read(ctx *transient.Limit, bucket *blob.Bucket, key string, limit int64) ([]byte, error) {
	r, err := open(ctx, bucket, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	size := r.Size() // 0 also if the store does not tell
	if size > limit {
		return nil, &TooLargeError{size, limit}
	}
	var buf bytes.Buffer
	buf.Grow(int(max(size, 0)) + bytes.MinRead) // ReadFrom wants MinRead free to find the end
	if _, err := buf.ReadFrom(io.LimitReader(moving{r, ctx}, limit+1)); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", buf.Len(), err)
	}
	switch n := int64(buf.Len()); {
	case n > limit:
		return nil, &TooLargeError{-1, limit}
	case n < size:
		return nil, shortBody(n, size)
	}
	return buf.Bytes(), nil
}

// shortBody is the error for a body that ended early, which some stores do not report.
func shortBody(got, size int64) error {
	return fmt.Errorf("got %d of %d bytes: %w", got, size, io.ErrUnexpectedEOF)
}

// step is the number of bytes that are written, or compared, at once.
const step = 1 << 20

// holds reports whether the object under key is exactly content.
func holds(ctx *transient.Limit, bucket *blob.Bucket, key string, content []byte) (bool, error) {
	r, err := open(ctx, bucket, key, 0, -1)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	buf := make([]byte, min(step, len(content)+1))
	for remaining := content; ; {
		n, err := moving{r, ctx}.Read(buf)
		if n > len(remaining) || !bytes.Equal(buf[:n], remaining[:n]) {
			return false, nil
		}
		remaining = remaining[n:]
		if errors.Is(err, io.EOF) {
			if got := int64(len(content) - len(remaining)); got < r.Size() {
				return false, shortBody(got, r.Size())
			}
			return len(remaining) == 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// errRange is the error for an answer with more bytes than were asked for: they may be those from
// the start of the object.
var errRange = errors.New("the store does not return the range that it was asked for")

// ReadRange returns length bytes of the object under key from offset on, which it must have.
func ReadRange(ctx context.Context, bucket *blob.Bucket, key string, offset, length int64) (content []byte, err error) {
	err = persist(ctx, "read", key, func(ctx *transient.Limit) error {
		r, err := open(ctx, bucket, key, offset, length)
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		var buf bytes.Buffer // grows as the bytes come: length is what a file says
		n, err := io.CopyN(&buf, moving{r, ctx}, length)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("at byte %d: %w", offset+n, err)
		}
		if n, _ := r.Read(make([]byte, 1)); n > 0 {
			return errRange
		}
		content = buf.Bytes()
		return nil
	})
	return content, err
}
