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
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/publish"
)

// Identity says which item a record is about: the start of every record but those of Compact and Flatten.
type Identity struct {
	ID       string `json:"id"` // dmap.Item.ID
	Key      string `json:"key"`
	Offset   int64  `json:"offset"` // dmap.WholeObject (-1) for an object
	Split    string `json:"split"`
	Index    int64  `json:"index"`    // in its split
	Attempts int    `json:"attempts"` // calls that were made; 0: the item could not be read
}

// Record is a SUCCEEDED record. Of Compact and Flatten runs only Output is set; for Flatten R is the type of an element.
type Record[R any] struct {
	Identity
	Elapsed time.Duration   `json:"elapsed"` // ns, of the last call
	Input   json.RawMessage `json:"input"`   // the item's value, with InputsAll
	Output  R               `json:"output"`
}

// FailedRecord is a FAILED record.
type FailedRecord struct {
	Identity
	Elapsed    time.Duration   `json:"elapsed"` // ns, of the last call
	Class      string          `json:"class"`   // dmap.Class, or "encode": fn succeeded and its output could not be written
	Error      string          `json:"error"`   // at most 4 KiB
	Stack      string          `json:"stack"`   // of a panic, from the line that panicked on, at most 4 KiB
	Input      json.RawMessage `json:"input"`   // the item's value, unless InputsNone
	InputError string          `json:"inputError"`
}

// PendingRecord is a PENDING record: the item was read and never settled.
type PendingRecord struct {
	Identity
	Class      string          `json:"class"` // of the last attempt's error, if there was one
	Error      string          `json:"error"`
	Input      json.RawMessage `json:"input"`
	InputError string          `json:"inputError"`
}

// Failures yields the FAILED records, part by part. A part is read whole and checked against its size, count and SHA-256
// before its first record is yielded; an error is the last thing yielded and names part and line.
func (m *Manifest) Failures(ctx context.Context, bucket *blob.Bucket) iter.Seq2[FailedRecord, error] {
	return records(ctx, bucket, m.ResultFiles.Failed, decode[FailedRecord])
}

// Unsettled yields the PENDING records, as Failures does. Items that were never read have none: see Unread.
func (m *Manifest) Unsettled(ctx context.Context, bucket *blob.Bucket) iter.Seq2[PendingRecord, error] {
	return records(ctx, bucket, m.ResultFiles.Pending, decode[PendingRecord])
}

// Successes yields the SUCCEEDED records of a run whose function returned R, as [Manifest.Failures] does. A run with
// FailuresOnly has none.
func Successes[R any](ctx context.Context, bucket *blob.Bucket, m *Manifest) iter.Seq2[Record[R], error] {
	read := decode[Record[R]]
	if m.Records != Full {
		read = func(line []byte) (r Record[R], err error) {
			err = json.Unmarshal(line, &r.Output)
			return r, err
		}
	}
	return records(ctx, bucket, m.ResultFiles.Succeeded, read)
}

func decode[T any](line []byte) (record T, err error) {
	err = json.Unmarshal(line, &record)
	return record, err
}

func records[T any](ctx context.Context, bucket *blob.Bucket, parts []Part, decode func([]byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for _, p := range parts {
			content, err := readPart(ctx, bucket, p)
			if err != nil {
				yield(none, err)
				return
			}
			for n := int64(1); len(content) > 0; n++ {
				end := bytes.IndexByte(content, '\n')
				record, err := decode(content[:end])
				if err != nil {
					yield(none, fmt.Errorf("sink: part %q line %d: %w", p.Key, n, err))
					return
				}
				if !yield(record, nil) {
					return
				}
				content = content[end+1:]
			}
		}
	}
}

// readPart reads a part and checks all that the manifest says about it.
func readPart(ctx context.Context, bucket *blob.Bucket, p Part) ([]byte, error) {
	content, err := publish.Read(ctx, bucket, p.Key, p.Size)
	if err != nil {
		return nil, fmt.Errorf("sink: part: %w", err)
	}
	sum := sha256.Sum256(content)
	lines := int64(bytes.Count(content, []byte{'\n'}))
	switch {
	case int64(len(content)) != p.Size:
		err = fmt.Errorf("%d bytes, the manifest says %d", len(content), p.Size)
	case hex.EncodeToString(sum[:]) != p.SHA256:
		err = errors.New("its content is not what was written: wrong SHA-256")
	case lines != p.Records || p.Size > 0 && content[p.Size-1] != '\n':
		err = fmt.Errorf("%d records, the manifest says %d", lines, p.Records)
	default:
		return content, nil
	}
	return nil, fmt.Errorf("sink: part %q: %w", p.Key, err)
}
