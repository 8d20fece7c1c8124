package source

import (
	"context"
	"errors"
	"io"

	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/ranges"
)

// span is the part of an object to read.
type span struct {
	object Object // as it must be
	from   int64
	to     int64        // records that start from here on belong to others; 0: read to the end
	lines  bool         // a line end precedes from
	now    bool         // the object is read from its start as it is now, which may be another one
	large  *largeObject // nil: many objects are read at once, so that each is read by one request
}

func (p span) ends(offset int64) bool { return p.to > 0 && offset >= p.to }

// openAt opens the part's object where the part starts.
func (p span) openAt(ctx context.Context) (io.ReadCloser, error) {
	if p.now {
		return p.openWhole(ctx)
	}
	if p.large == nil || p.object.Size <= 0 || p.from >= p.object.Size || p.large.isSerial() {
		return p.openToEnd(ctx)
	}
	if in := p.large.take(ctx, p); in != nil {
		return in, nil
	}
	if p.end()-p.from >= p.large.parallelFrom {
		stored, err := p.object.stored()
		if err != nil {
			return nil, err
		}
		return p.whole(ctx, ranges.Open(ctx, stored, p.from, p.end(), p.large.tail)), nil
	}
	if p.to <= 0 {
		return p.openToEnd(ctx)
	}
	stored, err := p.object.stored()
	if err != nil {
		return nil, err
	}
	open := body.OpenRange
	if p.lines {
		open = body.OpenLines
	}
	in, err := open(ctx, stored, p.from, p.end())
	if errors.Is(err, body.ErrRange) {
		return p.openToEnd(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p.whole(ctx, in), nil
}

// openToEnd opens the part's object where the part starts, without a range end.
func (p span) openToEnd(ctx context.Context) (*body.Reader, error) {
	if !p.lines {
		return p.object.open(ctx, p.from)
	}
	stored, err := p.object.stored()
	if err != nil {
		return nil, err
	}
	return body.OpenLines(ctx, stored, p.from, -1)
}

// openWhole opens the part's object at its start.
func (p span) openWhole(ctx context.Context) (*body.Reader, error) {
	if p.now {
		return p.object.openNow(ctx)
	}
	return p.object.open(ctx, 0)
}

// end returns the offset at which p ends, -1 if that is not known.
func (p span) end() int64 {
	if p.object.Size <= 0 { // 0 says nothing: see body.Open
		return -1
	}
	if p.to > 0 && p.to < p.object.Size {
		return p.to
	}
	return p.object.Size
}

// whole is in, the bytes of p, followed by the rest of the line if p ends inside one. The splits of
// this package never do.
func (p span) whole(ctx context.Context, in io.ReadCloser) io.ReadCloser {
	if p.end() == p.object.Size {
		return in
	}
	return &toLineEnd{ReadCloser: in, last: '\n', more: func() (io.ReadCloser, error) { return p.object.open(ctx, p.end()) }}
}
