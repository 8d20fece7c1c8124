package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"gocloud.dev/blob"
)

// Read returns the whole object under key, which may have at most limit bytes. A body that breaks off is read again.
func Read(ctx context.Context, bucket *blob.Bucket, key string, limit int64) (content []byte, err error) {
	err = persist(ctx, "read", key, func(ctx context.Context) error {
		content, err = read(ctx, bucket, key, limit)
		return err
	})
	return content, err
}

func read(ctx context.Context, bucket *blob.Bucket, key string, limit int64) ([]byte, error) {
	r, err := bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	size := r.Size()
	if size > limit {
		return nil, fmt.Errorf("it has %d bytes, at most %d are expected", size, limit)
	}
	var buf bytes.Buffer
	buf.Grow(int(size) + bytes.MinRead) // what ReadFrom wants free to find the end without growing
	if _, err := buf.ReadFrom(io.LimitReader(r, size+1)); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", buf.Len(), err)
	}
	if int64(buf.Len()) != size {
		return nil, fmt.Errorf("%d bytes came, the store says it has %d: %w", buf.Len(), size, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), nil
}
