package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"
)

// Read returns the whole object under key, which may have at most limit bytes. A body that breaks off is read again.
func Read(ctx context.Context, bucket *blob.Bucket, key string, limit int64) (content []byte, err error) {
	err = persist(ctx, "read", key, limit, func(ctx context.Context) error {
		content, err = read(ctx, bucket, key, limit)
		return err
	})
	return content, err
}

// Page returns one page of the objects below prefix, and the token of the next one; nil: it is the last.
func Page(ctx context.Context, bucket *blob.Bucket, prefix string, token []byte) (page []*blob.ListObject, next []byte, err error) {
	err = persist(ctx, "list", prefix, 0, func(ctx context.Context) error {
		page, next, err = bucket.ListPage(ctx, token, 1000, &blob.ListOptions{Prefix: prefix})
		return err
	})
	return page, next, err
}

func read(ctx context.Context, bucket *blob.Bucket, key string, limit int64) ([]byte, error) {
	r, err := bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	size := r.Size() // 0 also where the store does not say
	if size > limit {
		return nil, fmt.Errorf("it has %d bytes, at most %d are expected", size, limit)
	}
	var buf bytes.Buffer
	buf.Grow(int(max(size, 0)) + bytes.MinRead) // what ReadFrom wants free to find the end without growing
	if _, err := buf.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", buf.Len(), err)
	}
	switch n := int64(buf.Len()); {
	case n > limit:
		return nil, fmt.Errorf("it has more than the %d bytes that are expected", limit)
	case n < size:
		return nil, fmt.Errorf("%d bytes of %d came: %w", n, size, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), nil
}

// holds reports whether the object under key is exactly content.
func holds(ctx context.Context, bucket *blob.Bucket, key string, content []byte) (bool, error) {
	r, err := bucket.NewReader(ctx, key, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	buf := make([]byte, min(step, len(content)+1))
	for rest := content; ; {
		n, err := r.Read(buf)
		if n > len(rest) || !bytes.Equal(buf[:n], rest[:n]) {
			return false, nil
		}
		rest = rest[n:]
		if errors.Is(err, io.EOF) {
			if got := int64(len(content) - len(rest)); got < r.Size() {
				return false, fmt.Errorf("%d bytes of %d came: %w", got, r.Size(), io.ErrUnexpectedEOF)
			}
			return len(rest) == 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}
