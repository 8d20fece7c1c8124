package source

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/record"
)

// partReader finds the records of a part and checks the part as a whole.
type partReader struct {
	recordFinder
	part    part
	body    *body.Reader
	hash    hash.Hash // of the bytes read; nil: the part is read from the middle, or has no hash
	records int64
	taken   int64 // items of the next record that were read before
}

// recordFinder is a *record.Lines or a *record.Array.
type recordFinder interface {
	Next() error
	Bytes() []byte
	Offset() int64
	Line() int64
	End() int64
	Raw() []byte
}

// open starts reading p at a cursor.
func (r *redrive[T]) open(ctx context.Context, p part, cursor int64) (*partReader, error) {
	at := cursor >> batchBits
	object := Object{Key: p.Key, Size: p.Size, from: r.parts}
	if p.own {
		var err error
		if object, err = r.checked(ctx, p); err != nil {
			return nil, err
		}
	}
	in, err := object.open(ctx, at)
	if err != nil {
		return nil, err
	}
	found := &partReader{part: p, body: in, taken: cursor & maxBatch}
	most := or(r.options.MaxRecord, DefaultMaxRecord)
	switch {
	case p.own && at == 0:
		found.hash = sha256.New()
		found.recordFinder = record.NewLines(io.TeeReader(in, found.hash), 0, p.Size, most)
	case p.own:
		found.recordFinder = record.NewLines(in, at, p.Size, most)
	default:
		text := bufio.NewReader(in)
		isArray := at == 0 && beginsArray(text)
		if at > 0 { // the first bytes after a cursor do not tell
			isArray, err = r.holdsArray(ctx, p)
		}
		if err != nil {
			in.Close()
			return nil, err
		}
		if isArray {
			found.recordFinder = record.NewArray(text, at, p.Size, most)
		} else {
			found.recordFinder = record.NewLines(text, at, p.Size, most)
		}
	}
	return found, nil
}

// beginsArray tells a part that is an array from JSON lines: the names of the files do not.
func beginsArray(in *bufio.Reader) bool {
	head, _ := in.Peek(512) // the next read returns the error again
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(byteOrderMark)), " \t\r\n")
	return len(head) > 0 && head[0] == '['
}

// holdsArray is beginsArray for a part that is read from the middle.
func (r *redrive[T]) holdsArray(ctx context.Context, p part) (bool, error) {
	in, err := Object{Key: p.Key, Size: p.Size, from: r.parts}.open(ctx, 0)
	if err != nil {
		return false, err
	}
	defer in.Close()
	return beginsArray(bufio.NewReaderSize(in, 512)), nil
}

// Close releases the connection.
func (p *partReader) Close() { p.body.Close() }

// next finds the next record, or a fault of that record alone. io.EOF: the part has ended and
// agrees with the manifest.
func (p *partReader) next() (fault, err error) {
	err = p.Next()
	if err == io.EOF {
		if err := p.verify(); err != nil {
			return nil, fmt.Errorf("part %q: %w", p.part.Key, err)
		}
		return nil, io.EOF
	}
	p.records++
	var bad *record.Fault
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &bad) && !bad.Fatal:
		return located(p.part.Key, bad), nil
	default:
		return nil, located(p.part.Key, err)
	}
}

// verify compares a part that was read from start to end with its entry in the manifest.
func (p *partReader) verify() error {
	switch {
	case p.hash == nil:
		return nil
	case hex.EncodeToString(p.hash.Sum(nil)) != p.part.SHA256:
		return errors.New("content has another SHA-256 than the manifest says")
	case p.records != p.part.Records:
		return fmt.Errorf("%d records, the manifest says %d", p.records, p.part.Records)
	}
	return nil
}

// located adds the position of the record that was found to an error about it.
func (p *partReader) located(err error) error {
	if err == nil {
		return nil
	}
	return &RowError{Object: p.part.Key, Offset: p.Offset(), Line: p.Line(), Err: err}
}
