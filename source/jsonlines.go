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
	// Decode turns a line into a value. It must not keep the line. The goroutines that read call
	// it; an error or a panic fails the item. nil: a decoder with the results of json.Unmarshal, in
	// little more than half of its time. (Tags of encoding/json/v2, such as "embed", have effect.)
	Decode func(line []byte) (T, error)
	// MaxRecord is the maximal size of a line in bytes; a longer one fails as an item. 0:
	// DefaultMaxRecord.
	MaxRecord int
	// AnyBytes gives lines that are no valid UTF-8 to Decode. json.Unmarshal replaces their
	// invalid bytes by U+FFFD.
	AnyBytes bool
	// StallTimeout limits the wait for the next byte. 0: DefaultStallTimeout; negative: no limit.
	StallTimeout time.Duration
	// Decompress says which objects may be compressed. Zero: DecompressByName.
	Decompress Decompress
	// MaxText is the maximal number of bytes to which an object may decompress. 0: DefaultMaxText;
	// negative: no limit.
	MaxText int64
	// MaxRatio is the maximal number of bytes of text for each byte of a compressed object, beyond
	// the first MiB of text. 0: DefaultMaxRatio; negative: no limit.
	MaxRatio int
	// Store is that of CSVOptions.
	Store StoreFeatures
}

// JSONLines yields one value per line of an object. Blank lines are no items; CRLF, a byte order
// mark and a last line without an end are fine, and so are gzip and zstd: see Decompress. A line
// that is too long or does not decode fails as an item.
func JSONLines[T any](bucket *blob.Bucket, key string, options ...JSONLinesOptions[T]) dmap.Source[T] {
	object, err := named(bucket, key, originOf(bucket, first(options).StallTimeout, first(options).Store))
	return jsonLines(object, false, err, options)
}

// JSONLinesOf is JSONLines for an object of a listing, which it reads without asking for its
// attributes; see Flatten. The stall timeout is that of the listing.
func JSONLinesOf[T any](object Object, options ...JSONLinesOptions[T]) dmap.Source[T] {
	return jsonLines(object, true, nil, options)
}

func jsonLines[T any](object Object, listed bool, err error, options []JSONLinesOptions[T]) *records[T] {
	find := func(in io.Reader, from, end int64, most int) recordFinder {
		return record.NewLines(in, from, end, most)
	}
	r := jsonRecords("json lines", object, listed, err, options, find)
	r.divide, r.lines = divideLines, true
	return r
}

// jsonRecords is an object that holds JSON, in records that find finds.
func jsonRecords[T any](
	kind string, object Object, listed bool, err error, options []JSONLinesOptions[T],
	find func(in io.Reader, from, end int64, most int) recordFinder,
) *records[T] {
	o := first(options)
	if o.Decode == nil {
		o.Decode = jsonDecoder[T]()
	}
	r := &records[T]{
		kind: kind, object: object, listed: listed,
		unpacking: newUnpacking(o.Decompress, o.MaxText, o.MaxRatio), large: largeObject{tuning: defaultTuning()},
	}
	r.open = func(ctx context.Context, part span) (framer[T], error) {
		in, end, err := part.openText(ctx, r.unpacking)
		if err != nil {
			return nil, err
		}
		return &jsonFramer[T]{find(in, part.from, end, or(o.MaxRecord, DefaultMaxRecord)), in, o}, nil
	}
	err = errors.Join(err, checkOptions(len(options)), checkLimit("MaxRecord", o.MaxRecord), o.Decompress.check())
	r.invalid = invalid(r, err)
	return r
}

func divideLines(ctx context.Context, l *largeObject, object Object, from int64, emit func(from, to int64) bool) error {
	return (&linePlan{large: l, object: object, start: from}).run(ctx, emit)
}

// jsonFramer decodes lines, or the values of an array.
type jsonFramer[T any] struct {
	recordFinder
	io.Closer
	options JSONLinesOptions[T]
}

func (f *jsonFramer[T]) Value() (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = panicError(panicked)
		}
	}()
	line := f.Bytes()
	if !f.options.AnyBytes && !utf8.Valid(line) {
		return value, errInvalidUTF8
	}
	return f.options.Decode(line)
}
