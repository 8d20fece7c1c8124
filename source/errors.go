package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/body"
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
}

func (e *RowError) Error() string {
	var b strings.Builder
	b.WriteString(position(e.Object, e.Line, e.Offset))
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q", e.Column)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// LimitError says that a record is larger than is allowed. It was skipped without being held in
// memory.
type LimitError struct {
	Object string
	Offset int64  // of the record in the object, in bytes
	Line   int64  // from 1; 0: unknown, as reading began in the middle
	Limit  string // "record bytes", "fields", "nested arrays and objects"
	Max    int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: more than %d %s", position(e.Object, e.Line, e.Offset), e.Max, e.Limit)
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
	var fault *record.Fault
	errors.As(err, &fault)
	return fault
}
