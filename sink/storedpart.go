package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// readChecked reads a part whole and compares it with its entry in a record.
func readChecked(ctx context.Context, bucket *blob.Bucket, p runfolder.Part) ([]byte, error) {
	content, err := publish.Read(ctx, bucket, p.Key, p.Size)
	if err != nil {
		return nil, fmt.Errorf("sink: part: %w", err)
	}
	sum := sha256.Sum256(content)
	switch {
	case int64(len(content)) != p.Size:
		err = fmt.Errorf("%d bytes, %d are recorded", len(content), p.Size)
	case hex.EncodeToString(sum[:]) != p.SHA256:
		err = errors.New("its content has another SHA-256 than is recorded")
	case int64(bytes.Count(content, []byte{'\n'})) != p.Records || p.Size > 0 && content[p.Size-1] != '\n':
		err = fmt.Errorf("it does not have the %d lines that are recorded", p.Records)
	default:
		return content, nil
	}
	return nil, attention.Mark(fmt.Errorf("sink: part %q: %w: restore it", p.Key, err))
}

// storePart stores a part that is whole.
func storePart(ctx context.Context, bucket *blob.Bucket, key string, content []byte, records int64) (runfolder.Part, error) {
	sum := sha256.Sum256(content)
	p := runfolder.Part{Key: key, Size: int64(len(content)), Records: records, SHA256: hex.EncodeToString(sum[:])}
	return p, publish.Create(ctx, bucket, key, recordsAs, content)
}

// partWriter groups lines into parts of about limit bytes.
type partWriter struct {
	ctx   context.Context
	limit int
	write func(ctx context.Context, content []byte, records int64) (runfolder.Part, error)

	content []byte
	records int64
	parts   []runfolder.Part
}

func (w *partWriter) add(text []byte) error {
	if len(w.content) > 0 && len(w.content)+len(text) > w.limit {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.content = append(w.content, text...)
	w.records++
	return nil
}

func (w *partWriter) flush() error {
	if w.records == 0 {
		return nil
	}
	p, err := w.write(w.ctx, w.content, w.records)
	w.parts = append(w.parts, p)
	w.content, w.records = w.content[:0], 0
	return err
}
