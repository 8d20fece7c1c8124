package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// takenItems are the items of a taken part.
type takenItems = iter.Seq2[journal.TakenItem, error]

// readTaken yields the items of a taken part after an offset.
func (f *BucketSink[R]) readTaken(ctx context.Context, again *redriven, part journal.TakenPart, from int64) takenItems {
	return func(yield func(journal.TakenItem, error) bool) {
		stored, ok := again.parts[part.Split]
		if !ok {
			yield(journal.TakenItem{}, fmt.Errorf("sink: redrive %d has no part %q", again.file.Redrive, part.Split))
			return
		}
		for l, err := range takenLines(ctx, f.bucket, stored) {
			if err != nil {
				yield(journal.TakenItem{}, err)
				return
			}
			if l.after <= from {
				continue
			}
			item, err := l.item()
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// takenLine is a line of a taken part.
type takenLine struct {
	key   string // of the part
	text  []byte // with the newline
	after int64  // the offset after it
}

func (l *takenLine) record() (*runfolder.Record, error) {
	r, err := runfolder.DecodeRecord(l.text)
	if err != nil {
		return nil, fmt.Errorf("sink: part %q before byte %d: %w", l.key, l.after, err)
	}
	return r, nil
}

func (l *takenLine) item() (item journal.TakenItem, err error) {
	r, err := l.record()
	if err != nil {
		return item, err
	}
	return journal.TakenItem{
		Split: r.Split, Version: r.Version, Start: journalCursor(r.Start), Next: journalCursor(r.Next),
		Key: r.Key, Offset: r.Offset, Index: r.Index, After: l.after,
	}, nil
}

func journalCursor(c runfolder.Cursor) journal.Cursor {
	return journal.Cursor{Key: c.Key, Offset: c.Offset}
}

// takenLines yields the lines of a part, which it checks first.
func takenLines(ctx context.Context, bucket *blob.Bucket, p runfolder.Part) iter.Seq2[takenLine, error] {
	return func(yield func(takenLine, error) bool) {
		content, err := readChecked(ctx, bucket, p)
		if err != nil {
			yield(takenLine{}, err)
			return
		}
		for at := int64(0); at < int64(len(content)); {
			end := at + int64(bytes.IndexByte(content[at:], '\n')) + 1
			if !yield(takenLine{key: p.Key, text: content[at:end], after: end}, nil) {
				return
			}
			at = end
		}
	}
}

// unsettledLines yields the lines of a taken part whose items have not settled.
func unsettledLines(ctx context.Context, bucket *blob.Bucket, n int, p runfolder.Part, settled journal.IntervalSet) iter.Seq2[takenLine, error] {
	return func(yield func(takenLine, error) bool) {
		gaps := settled.Gaps(journal.Interval{Split: takenSplit(n, p), To: journal.Cursor{Offset: p.Size}})
		if len(gaps) == 0 {
			return
		}
		for l, err := range takenLines(ctx, bucket, p) {
			if err == nil {
				for len(gaps) > 0 && l.after > gaps[0].To.Offset {
					gaps = gaps[1:]
				}
				if len(gaps) == 0 {
					return
				}
				if l.after <= gaps[0].From.Offset {
					continue
				}
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// readChecked reads a part whole and compares it with its recorded size and hash.
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
	return nil, fmt.Errorf("sink: part %q: %w: restore it", p.Key, err)
}

func encodeState(s runfolder.BucketState) (json.RawMessage, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sink: encode the state of a redrive: %w", err)
	}
	return text, nil
}
