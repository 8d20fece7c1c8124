package source

import (
	"context"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/record"
)

// JSONLinesOptions tune JSONLines.
type JSONLinesOptions[T any] struct {
	// Decode makes a value of a line; it must not keep the line. nil: what json.Unmarshal makes of it, in half of the time
	// (names in tags of encoding/json/v2, like "embed", count). Called on the reading goroutine; an error or a panic fails
	// the item.
	Decode func(line []byte) (T, error)
	// MaxRecord is how many bytes a line may have; a longer one fails as an item. 0: DefaultMaxRecord.
	MaxRecord int
	// AnyBytes gives lines that are no valid UTF-8 to Decode. json.Unmarshal replaces what is invalid by U+FFFD.
	AnyBytes bool
	// StallTimeout is how long reading waits for a byte. 0: DefaultStallTimeout; negative: for ever.
	StallTimeout time.Duration
	// Store is that of CSVOptions.
	Store Store
}

// JSONLines yields one value per line of an object. Blank lines are no items; CRLF, a byte order mark and a last line without
// an end are fine. A line that is too long or does not decode fails as an item.
func JSONLines[T any](bucket *blob.Bucket, key string, options ...JSONLinesOptions[T]) dmap.Splitter[T] {
	object, err := named(bucket, key, originOf(bucket, first(options).StallTimeout, first(options).Store))
	return jsonLines(object, false, err, options)
}

// JSONLinesOf is JSONLines for an object of a listing, which it reads without asking for its attributes; see Flatten.
// The stall timeout is that of the listing.
func JSONLinesOf[T any](object Object, options ...JSONLinesOptions[T]) dmap.Splitter[T] {
	return jsonLines(object, true, nil, options)
}

func jsonLines[T any](object Object, listed bool, err error, options []JSONLinesOptions[T]) *records[T] {
	o := first(options)
	if o.Decode == nil {
		o.Decode = jsonDecoder[T]()
	}
	r := &records[T]{kind: "json lines", object: object, listed: listed, open: o.open, cut: cutLines, large: large{tuning: usual()}}
	err = errors.Join(err, checkOptions(len(options)), checkLimit("MaxRecord", o.MaxRecord))
	r.invalid = invalid(r, err)
	return r
}

func (o JSONLinesOptions[T]) open(ctx context.Context, part span) (framer[T], error) {
	in, err := part.openAt(ctx)
	if err != nil {
		return nil, err
	}
	lines := record.NewLines(in, part.from, part.end(), or(o.MaxRecord, DefaultMaxRecord))
	return &lineFramer[T]{lines, in, o}, nil
}

func cutLines(ctx context.Context, l *large, object Object, emit func(from, to int64) bool) error {
	return (&linePlan{large: l, object: object}).run(ctx, emit)
}

// lineFramer decodes lines.
type lineFramer[T any] struct {
	*record.Lines
	io.Closer
	options JSONLinesOptions[T]
}

var errInvalidUTF8 = errors.New("invalid UTF-8")

func (f *lineFramer[T]) Value() (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = dmap.Recovered(panicked)
		}
	}()
	line := f.Bytes()
	if !f.options.AnyBytes && !utf8.Valid(line) {
		return value, errInvalidUTF8
	}
	return f.options.Decode(line)
}
