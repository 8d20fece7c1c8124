package results

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Item says which item a record is about.
type Item struct {
	ID       string // dmap.Item.ID
	Key      string
	Offset   int64 // dmap.WholeObject for an object
	Split    string
	Index    int64 // in its split
	Attempts int   // calls that were made; 0: the item could not be read

	// Version, Start and Next say where to read the item again, as in dmap.Result. A success has
	// none.
	Version     string
	Start, Next dmap.Cursor
}

// Success is the record of a success. Of runs with COMPACT and FLATTEN records only Output is set;
// for FLATTEN R is the type of an element.
type Success[R any] struct {
	Item
	Elapsed time.Duration   // of the last call
	Input   json.RawMessage // the item's value; nil unless sink.InputsAll
	Output  R
	// Decision is that of a person about the item, which was held; nil: it was not.
	Decision *dmap.Decision
}

// Failure is the record of an item that failed.
type Failure struct {
	Item
	Elapsed    time.Duration   // of the last call
	Class      string          // dmap.Class, or "encode": fn succeeded and its output could not be written
	Error      string          // at most 4 KiB
	Stack      string          // of a panic, from the line that panicked, at most 4 KiB
	Input      json.RawMessage // the item's value; nil with sink.InputsNone
	InputError string          // why the value could not be written
	Raw        Raw             // of an item that could not be read, which has no Input
	Decision   *dmap.Decision  // as in Success
	At         time.Time       // when the sink got the failure, by the clock of its process; zero: unknown
}

// Raw is the bytes of an item that could not be read, as they are in its object, at most 4 KiB.
type Raw struct {
	Bytes     []byte
	Truncated bool // the item has more bytes
}

// PendingItem is the record of an item that was read and never settled.
type PendingItem struct {
	Item
	Class      string // of the last attempt's error; empty: there was none
	Error      string
	Input      json.RawMessage
	InputError string
	Raw        Raw            // as in Failure
	Decision   *dmap.Decision // as in Success
}

// Successes yields the SUCCEEDED records of a run whose function returned R, part by part. A part
// is read whole and checked against its size, count and SHA-256 before its first record is yielded;
// an error is the last thing yielded and names part and line. A run with FAILURES_ONLY records has
// none.
func Successes[R any](ctx context.Context, bucket *blob.Bucket, m *Run) iter.Seq2[Success[R], error] {
	if err := m.missing(ctx, bucket); err != nil {
		return failed[Success[R]](err)
	}
	decode := decodeSuccess[R]
	if m.Records != "" {
		decode = func(line []byte) (s Success[R], err error) {
			err = json.Unmarshal(line, &s.Output)
			return s, err
		}
	}
	return records(ctx, bucket, m.SucceededParts, decode)
}

// Failures yields the FAILED records, as [Successes] does.
func Failures(ctx context.Context, bucket *blob.Bucket, m *Run) iter.Seq2[Failure, error] {
	if err := m.missing(ctx, bucket); err != nil {
		return failed[Failure](err)
	}
	return records(ctx, bucket, m.FailedParts, func(line []byte) (f Failure, err error) {
		r, err := runfolder.DecodeRecord(line)
		if err != nil {
			return f, err
		}
		return Failure{
			Item: itemOf(&r.Item), Elapsed: time.Duration(r.Elapsed), Class: r.Class, Error: r.Error, Stack: r.Stack,
			Input: r.Input, InputError: r.InputError, Raw: rawOf(r), At: r.At,
			Decision: convert.Decision(r.Decision, r.Reason, r.Holds),
		}, nil
	})
}

// Pending yields the items that were read and not settled, as [Successes] does: the PENDING records
// of an ended run, and the items that an open redrive has taken and not settled. Other items of an
// open run have no record until they settle, and unread items have none: see Run.Unread.
func Pending(ctx context.Context, bucket *blob.Bucket, r *Run) iter.Seq2[PendingItem, error] {
	if err := r.missing(ctx, bucket); err != nil {
		return failed[PendingItem](err)
	}
	return func(yield func(PendingItem, error) bool) {
		for p, err := range records(ctx, bucket, r.PendingParts, pendingItem) {
			if !yield(p, err) || err != nil {
				return
			}
		}
		for _, list := range r.taken {
			for line, err := range list.lines(ctx, bucket) {
				var p PendingItem
				if err == nil {
					p, err = pendingItem(line)
				}
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

func pendingItem(line []byte) (p PendingItem, err error) {
	r, err := runfolder.DecodeRecord(line)
	if err != nil {
		return p, err
	}
	return PendingItem{
		Item: itemOf(&r.Item), Class: r.Class, Error: r.Error, Input: r.Input, InputError: r.InputError, Raw: rawOf(r),
		Decision: convert.Decision(r.Decision, r.Reason, r.Holds),
	}, nil
}

func rawOf(r *runfolder.Record) Raw {
	if r.InputRaw == "" {
		return Raw{}
	}
	return Raw{Bytes: []byte(r.InputRaw), Truncated: r.InputRawTruncated}
}

// successLine is a runfolder.Record whose output is decoded with it: its Output hides that of the
// Record.
type successLine[R any] struct {
	runfolder.Record
	Output R `json:"output"`
}

func decodeSuccess[R any](line []byte) (s Success[R], err error) {
	var r successLine[R]
	if err := json.Unmarshal(line, &r); err != nil {
		return s, err
	}
	if err := r.Check(); err != nil {
		return s, err
	}
	return Success[R]{
		Item: itemOf(&r.Item), Elapsed: time.Duration(r.Elapsed), Input: r.Input, Output: r.Output,
		Decision: convert.Decision(r.Decision, r.Reason, r.Holds),
	}, nil
}

func itemOf(it *runfolder.Item) Item {
	return Item{
		ID: it.ID, Key: it.Key, Offset: it.Offset, Split: it.Split, Index: it.Index, Attempts: it.Attempts,
		Version: it.Version, Start: convert.Cursor(it.Start), Next: convert.Cursor(it.Next),
	}
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
					yield(none, fmt.Errorf("results: part %q line %d: %w", p.Key, n, err))
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

// readPart reads a part and checks all that is recorded about it.
func readPart(ctx context.Context, bucket *blob.Bucket, p Part) ([]byte, error) {
	content, err := runfolder.ReadPart(ctx, bucket, runfolder.Part(p))
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	return content, nil
}
