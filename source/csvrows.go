package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/record"
)

// columnNames are the names in a header. Spreadsheets write several columns without a name at its
// end: width counts them too.
type columnNames struct {
	names []string
	width int
}

// sum identifies a header, for dmap.SetHeader.
func (n columnNames) sum() string {
	text := strconv.AppendInt(nil, int64(n.width), 10)
	for _, name := range n.names {
		text = append(strconv.AppendInt(append(text, ':'), int64(len(name)), 10), ':')
		text = append(text, name...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// checkHeader returns an error for a header without columns, or with a column name that repeats.
func (o CSVOptions) checkHeader(header []string) error {
	if len(header) == 0 {
		return errors.New("the header has no columns")
	}
	if o.RepeatedColumns {
		return nil
	}
	seen := make(map[string]int, len(header))
	for i, name := range header {
		if before, ok := seen[name]; ok {
			return fmt.Errorf("the header names column %d %q, as column %d", i+1, name, before+1)
		}
		seen[name] = i
	}
	return nil
}

// header reads the first row as the header. An error in it ends the source.
func (c *csv[T]) header(rows *record.CSV, key string) (columnNames, error) {
	rest := rows.MaxRecord
	rows.MaxRecord = min(rest, or(c.options.MaxHeader, DefaultMaxHeader))
	err := rows.Next()
	rows.MaxRecord = rest
	if err == io.EOF { // an empty object has no rows
		return columnNames{}, io.EOF
	}
	if err != nil {
		return columnNames{}, fmt.Errorf("header: %w", located(key, err))
	}
	header := columnNames{make([]string, rows.Len()), rows.Len()}
	named, nameless := 0, 0
	for i := range header.names {
		if header.names[i] = strings.Clone(rows.Text(i)); header.names[i] != "" {
			named = i + 1
		} else {
			nameless++
		}
	}
	if nameless > 1 && !c.options.RepeatedColumns {
		if named == 0 {
			return columnNames{}, &headerError{fmt.Errorf("object %q: no column of the header has a name: set CSVOptions.Header if it has none", key)}
		}
		header.names = header.names[:named]
	}
	if err := c.options.checkHeader(header.names); err != nil {
		return columnNames{}, &headerError{fmt.Errorf("object %q: %w", key, err)}
	}
	return header, nil
}

// headerError says that a header cannot name columns.
type headerError struct{ error }

func (e *headerError) Unwrap() error { return e.error }

// isContent reports whether the error of a header comes from its object, not from the store.
func isContent(err error) bool {
	_, own := guarded.As[*headerError](err)
	return own || breaksOff(err, 0)
}

// rowFramer decodes rows.
type rowFramer[T any] struct {
	*record.CSV
	io.Closer
	options CSVOptions
	columns int // that have a name, or one follows that has
	width   int // of the header
	decode  func(Row) (T, error)
}

func (f *rowFramer[T]) prepare(decode RowDecoder[T], header columnNames) (err error) {
	f.columns, f.width = len(header.names), header.width
	return guard(func() error {
		f.decode, err = decode(slices.Clone(header.names))
		return err
	})
}

func (f *rowFramer[T]) Value() (value T, err error) {
	if f.Len() != f.columns {
		if err := f.fit(); err != nil {
			return value, err
		}
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			err = panicError(panicked)
		}
	}()
	return f.decode(Row{f.CSV})
}

// fit makes the row as long as the names of the header, or returns an error.
func (f *rowFramer[T]) fit() error {
	n := f.Len()
	for i := f.columns; i < min(n, f.width); i++ {
		if len(f.Bytes(i)) > 0 {
			return misfit("field %d is not empty, and its column has no name in the header", i+1)
		}
	}
	switch {
	case n > f.columns && n <= f.width:
	case f.options.Ragged == RaggedFail && f.width > f.columns:
		return misfit("%d fields, the header has %d, and %d without a name", n, f.columns, f.width-f.columns)
	case f.options.Ragged == RaggedFail:
		return misfit("%d fields, the header has %d", n, f.columns)
	case n > f.width && f.options.Dialect == RFC4180 && f.endsInBackslash():
		return misfit("it has more fields than the header, one of which ends in a backslash, which RFC 4180 does not know: " +
			"set Dialect to StepFunctionsCSV, or Ragged to RaggedFail")
	}
	f.Resize(f.columns)
	return nil
}

// endsInBackslash reports whether a field ends in a backslash: then the delimiter after it may be
// part of the text.
func (f *rowFramer[T]) endsInBackslash() bool {
	for i := range f.Len() - 1 {
		if bytes.HasSuffix(f.Bytes(i), []byte{'\\'}) {
			return true
		}
	}
	return false
}
