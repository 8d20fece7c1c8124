package redrive

import (
	"context"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// PartWriter groups lines into parts of about Limit bytes.
type PartWriter struct {
	Limit int // bytes; a part with one line may have more
	Write func(ctx context.Context, content []byte, records int64) (runfolder.Part, error)
	Parts []runfolder.Part // written

	content []byte
	records int64
}

// Add adds a line, which ends with a newline.
func (w *PartWriter) Add(ctx context.Context, text []byte) error {
	if len(w.content) > 0 && len(w.content)+len(text) > w.Limit {
		if err := w.Flush(ctx); err != nil {
			return err
		}
	}
	w.content = append(w.content, text...)
	w.records++
	return nil
}

// Flush writes the lines that are in no part yet.
func (w *PartWriter) Flush(ctx context.Context) error {
	if w.records == 0 {
		return nil
	}
	p, err := w.Write(ctx, w.content, w.records)
	w.Parts = append(w.Parts, p)
	w.content, w.records = w.content[:0], 0
	return err
}
