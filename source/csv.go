package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/body"
	"github.com/go-dmap/dmap/internal/csvsplit"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/record"
)

// CSVOptions tune CSV. The zero value follows Step Functions, except that rows of the wrong length
// fail.
type CSVOptions struct {
	// Delimiter separates fields: any ASCII character but a quote, a line end and NUL. 0: a comma.
	Delimiter byte
	// Dialect is how fields are quoted and escaped. Zero: RFC4180.
	Dialect Dialect
	// Header names the columns of an object that has no header row. nil: the first row does.
	Header []string
	// Ragged is the rule for rows with more or fewer fields than the header. Zero: RaggedFail.
	Ragged Ragged
	// RepeatedColumns allows several columns of the same name, of which the first counts.
	RepeatedColumns bool
	// AnyBytes accepts NUL and invalid UTF-8 in fields, which otherwise fail their item.
	AnyBytes bool
	// MaxRecord is the maximal size of a row in bytes; a longer one fails as an item. 0:
	// DefaultMaxRecord.
	MaxRecord int
	// MaxHeader is the maximal size of the header row in bytes. 0: DefaultMaxHeader, or MaxRecord
	// if that is smaller.
	MaxHeader int
	// MaxFields is the maximal number of fields of a row; one with more fails as an item. 0:
	// DefaultMaxFields.
	MaxFields int
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
	// Memory bounds the memory that reading one large object takes, in bytes, buffers and garbage
	// included: at least MinMemory. Objects are then read in smaller pieces, with little more CPU.
	// 0: about 400 MiB.
	Memory int64
	// Store are the abilities of the bucket's store. With its IfMatch, a part of a changed object
	// is never read as a part of the planned object. Zero: size and modification time are compared.
	Store StoreFeatures
}

// Ragged is a rule for rows whose length is not that of the header.
type Ragged int

const (
	RaggedFail Ragged = iota // they fail as items
	RaggedFill               // as in Step Functions: short rows get empty fields, extra fields are dropped
)

// CSV yields one value per row of an object, made by decode: Into for structs, Strings, Maps, or a
// user's own.
//
// Quoting is that of the Dialect, lines end in LF or CRLF, empty lines are no rows, and an empty
// object has none. If several columns of the header row have no name, those at its end are ignored:
// spreadsheets write such columns. A row with a field there that is not empty fails. A row that is
// malformed or does not decode fails as an item. At a quote that is
// never closed the object breaks off (dmap.BrokenObjectError), with an error that says where it was
// opened. Objects may be compressed: see Decompress.
func CSV[T any](bucket *blob.Bucket, key string, decode RowDecoder[T], options ...CSVOptions) dmap.Source[T] {
	object, err := named(bucket, key, originOf(bucket, first(options).StallTimeout, first(options).Store))
	return csvRecords(object, false, err, decode, options)
}

// CSVOf is CSV for an object of a listing, which it reads without asking for its attributes; see
// Flatten. The stall timeout is that of the listing.
func CSVOf[T any](object Object, decode RowDecoder[T], options ...CSVOptions) dmap.Source[T] {
	return csvRecords(object, true, nil, decode, options)
}

func csvRecords[T any](object Object, listed bool, err error, decode RowDecoder[T], options []CSVOptions) *records[T] {
	o := first(options)
	c := &csv[T]{options: o, decode: decode}
	c.unpacking = newUnpacking(o.Decompress, o.MaxText, o.MaxRatio)
	tuned, serial := defaultTuning().within(o.Memory)
	r := &records[T]{
		kind: "csv", object: object, listed: listed, open: c.open, divide: c.divide, lines: true,
		unpacking: c.unpacking, large: largeObject{tuning: tuned},
	}
	if o.Header == nil {
		r.header = c.headerNow
	}
	if serial || o.Dialect != RFC4180 {
		r.divide = nil
	}
	if decode == nil {
		err = errors.Join(err, errors.New("the decoder is nil"))
	}
	r.invalid = invalid(r, errors.Join(err, checkOptions(len(options)), o.check()))
	return r
}

func (o CSVOptions) check() error {
	err := errors.Join(
		checkLimit("MaxRecord", o.MaxRecord), checkLimit("MaxHeader", o.MaxHeader), checkLimit("MaxFields", o.MaxFields),
		o.Decompress.check(), o.Dialect.check(o.Delimiter),
	)
	if o.Memory != 0 && o.Memory < MinMemory {
		err = errors.Join(err, fmt.Errorf("Memory %d: want at least %d, or 0 for the default", o.Memory, MinMemory))
	}
	if strings.IndexByte("\"\r\n", o.Delimiter) >= 0 || o.Delimiter >= 0x80 {
		err = errors.Join(err, fmt.Errorf("Delimiter %q: want an ASCII character, no quote and no line end", o.Delimiter))
	}
	if o.Ragged != RaggedFail && o.Ragged != RaggedFill {
		err = errors.Join(err, fmt.Errorf("Ragged %d is unknown", o.Ragged))
	}
	if o.Header != nil {
		err = errors.Join(err, o.checkHeader(o.Header))
	}
	return err
}

// csv opens an object as rows.
type csv[T any] struct {
	options CSVOptions
	decode  RowDecoder[T]
	unpacking

	mu    sync.Mutex // guards what follows
	known *header    // of the version that was read last
}

// header is the first row of one version of the object.
type header struct {
	version string
	columns columnNames
	end     int64 // the offset after it
}

func (c *csv[T]) open(ctx context.Context, part span) (framer[T], error) {
	columns := columnNames{c.options.Header, len(c.options.Header)}
	if columns.names == nil && part.from > 0 {
		first, err := c.headerOf(ctx, part.object)
		if err != nil {
			return nil, err
		}
		columns = first.columns
	}
	in, end, err := part.openText(ctx, c.unpacking)
	if err != nil {
		return nil, err
	}
	rows := &rowFramer[T]{CSV: c.reader(in, part.from, end), Closer: in, options: c.options}
	if columns.names == nil {
		if columns, err = c.header(rows.CSV, part.object.Key); err != nil {
			in.Close()
			return nil, err
		}
	}
	if c.options.Header == nil {
		dmap.SetHeader(ctx, columns.sum())
	}
	if err := rows.prepare(c.decode, columns); err != nil {
		in.Close()
		return nil, fmt.Errorf("object %q: %w", part.object.Key, guarded.Shown(err))
	}
	return rows, nil
}

func (c *csv[T]) delimiter() byte {
	if c.options.Delimiter == 0 {
		return ','
	}
	return c.options.Delimiter
}

// reader reads rows from in, whose first byte has the offset from; end is about the offset of its
// last one, -1 if unknown.
func (c *csv[T]) reader(in io.Reader, from, end int64) *record.CSV {
	return record.NewCSV(in, from, end, record.CSVOptions{
		Delimiter: c.delimiter(), AnyBytes: c.options.AnyBytes, Backslash: c.options.Dialect == StepFunctionsCSV,
		MaxRecord: or(c.options.MaxRecord, DefaultMaxRecord), MaxFields: or(c.options.MaxFields, DefaultMaxFields),
	})
}

// divide divides a large object where rows start.
func (c *csv[T]) divide(ctx context.Context, l *largeObject, object Object, from int64, emit func(from, to int64) bool) error {
	plan := &rowPlan{large: l, object: object, rows: csvsplit.CSV{Delimiter: c.delimiter()}, start: from, from: from}
	return plan.run(ctx, func() (int64, error) {
		if c.options.Header != nil {
			return 0, nil
		}
		first, err := c.headerOf(ctx, object)
		if err != nil {
			return 0, err
		}
		return first.end, nil
	}, emit)
}

// headerProbe is the size of the first request for a header, in bytes.
const headerProbe = 16 << 10

// headerOf returns the header, for a part that starts after it. It is read once per version.
func (c *csv[T]) headerOf(ctx context.Context, object Object) (*header, error) {
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	if known != nil && known.version == version(object) {
		return known, nil
	}
	first, err := c.readHeader(ctx, object, headerProbe)
	if err != nil || first.end >= headerProbe { // perhaps there is more of it
		first, err = c.readHeader(ctx, object, 0)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = first
	return first, nil
}

// noHeader identifies the header of an object that has none, or none that can be read.
const noHeader = "none"

// headerNow identifies the header of an object.
func (c *csv[T]) headerNow(ctx context.Context, object Object) (string, error) {
	first, err := c.headerOf(ctx, object)
	if err == io.EOF || isContent(err) {
		return noHeader, nil
	}
	if err != nil {
		return "", err
	}
	return first.columns.sum(), nil
}

// readHeader reads the header from the first bytes; 0: from all of the object.
func (c *csv[T]) readHeader(ctx context.Context, object Object, bytes int64) (*header, error) {
	in, size, err := c.openHeader(ctx, object, bytes)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows := c.reader(in, 0, size)
	columns, err := c.header(rows, object.Key)
	if err != nil {
		return nil, err
	}
	return &header{version(object), columns, rows.End()}, nil
}

func (c *csv[T]) openHeader(ctx context.Context, object Object, bytes int64) (in io.ReadCloser, size int64, err error) {
	whole := span{object: object}
	if bytes == 0 || c.looksInto(object.Key) {
		return whole.openText(ctx, c.unpacking)
	}
	stored, err := object.stored()
	if err != nil {
		return nil, 0, err
	}
	start, err := body.OpenRange(ctx, stored, 0, bytes)
	if err != nil {
		return nil, 0, err
	}
	return start, start.Size(), nil
}
