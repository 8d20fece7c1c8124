package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-dmap/dmap/internal/body"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/record"
)

// Errors for errors.Is. For an object that does not exist, gcerrors.Code returns NotFound, and
// dmap.Class "gone".
var (
	ErrChanged   = errors.New("object changed") // see ChangedError
	ErrStalled   = body.ErrStalled              // StallTimeout passed without a byte
	ErrOpenQuote = record.ErrQuote              // a quoted CSV field that never ends; its object breaks off there
)

// ChangedError says that an object is not the one that was split, or changed while it was read. It
// matches ErrChanged. A whole object is read as it is when it is opened.
type ChangedError struct {
	Key      string
	What     string // "content", "size", "modification time" or "version": the ETag where there is one
	Was, Now string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("object %q changed: %s was %s, now %s", e.Key, e.What, e.Was, e.Now)
}

// Class returns "changed".
func (e *ChangedError) Class() string { return "changed" }

// Is reports whether target is ErrChanged.
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// RowError is the error of one CSV row or JSON line.
type RowError struct {
	Object string
	Offset int64  // of the row in the object, in bytes
	Line   int64  // from 1; 0: unknown, as reading began in the middle
	Column string // its name, or its number from 1; empty: none in particular
	Err    error

	raw   rawInput
	plain bool // Err is of this package, and says nothing about a value
}

func (e *RowError) Error() string { return e.position() + ": " + guarded.Text(e.Err, maxCause) }

// maxCause is how many bytes of the text of a decoder's error a RowError shows.
const maxCause = 4 << 10

// WithoutValue is the text without what the decoder says, which may be a value of the row.
func (e *RowError) WithoutValue() string {
	if e.plain {
		return e.Error()
	}
	return fmt.Sprintf("%s: it does not decode: a %T, which is hidden", e.position(), e.Err)
}

func (e *RowError) position() string {
	at := position(e.Object, e.Line, e.Offset)
	if e.Column != "" {
		at += fmt.Sprintf(", column %q", e.Column)
	}
	return at
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// LimitError says that a record, or an object that is read as a whole, is larger than is allowed.
// It was skipped without being held in memory.
type LimitError struct {
	Object string
	Offset int64  // of the record in the object, in bytes
	Line   int64  // from 1; 0: unknown, as reading began in the middle
	Limit  string // "record bytes", "fields", "nested arrays and objects"
	Max    int64

	raw  rawInput
	next string // what to do; empty: Limit names the option
}

func (e *LimitError) Error() string {
	text := fmt.Sprintf("%s: more than %d %s", position(e.Object, e.Line, e.Offset), e.Max, e.Limit)
	if e.next != "" {
		text += ": " + e.next
	}
	return text
}

// rawInput is the bytes of a record that has no value.
type rawInput struct {
	bytes     []byte
	truncated bool // the record has more bytes
}

// RawInput returns the row as it is in its object, without its line end: at most 4 KiB of it, and
// whether there is more. A sink stores it in place of the input, which an item that cannot be read
// does not have.
func (e *RowError) RawInput() (raw []byte, truncated bool) { return e.raw.bytes, e.raw.truncated }

// RawInput is that of RowError.
func (e *LimitError) RawInput() (raw []byte, truncated bool) { return e.raw.bytes, e.raw.truncated }

// withRaw adds to the error of a record its bytes.
func withRaw(err error, of interface {
	Raw() []byte
	Offset() int64
	End() int64
}) error {
	raw := of.Raw()
	in := rawInput{raw, int64(len(raw)) < of.End()-of.Offset()}
	if !in.truncated {
		in.bytes = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte{'\n'}), []byte{'\r'})
	}
	switch err := err.(type) { //nolint:errorlint // it was just made
	case *RowError:
		err.raw = in
	case *LimitError:
		err.raw = in
	}
	return err
}

// position is where in an object something is wrong: `object "orders.csv" line 17 (byte 1024)`.
func position(object string, line, offset int64) string {
	at := "object " + strconv.Quote(object)
	if line > 0 {
		at += " line " + strconv.FormatInt(line, 10)
	}
	return at + " (byte " + strconv.FormatInt(offset, 10) + ")"
}

// faultOf is the fault that err is or wraps, nil if there is none. It costs nothing where there is
// no error.
func faultOf(err error) *record.Fault {
	if err == nil {
		return nil
	}
	fault, _ := guarded.As[*record.Fault](err)
	return fault
}

// located turns a fault into what users see of it. Other errors name the object already.
func located(object string, err error) error {
	fault := faultOf(err)
	if fault == nil {
		return err
	}
	if fault.Limit != "" {
		return &LimitError{Object: object, Offset: fault.Offset, Line: fault.Line, Limit: fault.Limit, Max: fault.Max}
	}
	row := &RowError{Object: object, Offset: fault.Offset, Line: fault.Line, Err: fault.Err, plain: true}
	if fault.Field > 0 {
		row.Column = strconv.Itoa(fault.Field)
	}
	return row
}

// raggedError says that a row does not fit the header. Its text holds nothing of the row.
type raggedError struct{ text string }

func (e *raggedError) Error() string { return e.text }

func misfit(format string, args ...any) error { return &raggedError{fmt.Sprintf(format, args...)} }

var errInvalidUTF8 = errors.New("invalid UTF-8")

// jsonPosition is " at byte 17" where err knows.
func jsonPosition(err error) string {
	if syntax, ok := guarded.As[*json.SyntaxError](err); ok {
		return fmt.Sprintf(" at byte %d", syntax.Offset)
	}
	if kind, ok := guarded.As[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf(" at byte %d", kind.Offset)
	}
	return ""
}
