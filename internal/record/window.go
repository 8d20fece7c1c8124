// Package record finds records in a byte stream: CSV rows, lines, and values of a JSON array.
// Memory is bounded, and nothing is allocated per record. A record that is too long or malformed
// is reported as a Fault, and the next record is found all the same.
package record

import (
	"bytes"
	"io"
	"strconv"
)

// The initial size of the buffer is between these bounds. The buffer grows up to the longest
// record.
const (
	minBuffer = 4 << 10
	maxBuffer = 256 << 10
)

// Fault describes an error in one record. A Fatal fault ends the stream: no record can be found
// after it.
type Fault struct {
	Offset int64  // where the record starts; of an unclosed quote, where the quote stands
	Line   int64  // line of Offset, from 1; 0: unknown
	Field  int    // from 1; 0: no particular field
	Limit  string // the limit that was exceeded, such as "record bytes"; empty: none
	Max    int64  // value of Limit
	Fatal  bool
	Err    error // the error if no limit was exceeded, else nil
}

func (f *Fault) Error() string {
	if f.Limit != "" {
		return "more than " + strconv.FormatInt(f.Max, 10) + " " + f.Limit
	}
	return f.Err.Error()
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// window is the part of a stream that is in memory: the current record and the bytes read after
// it.
type window struct {
	src   io.Reader
	buf   []byte
	start int   // position in buf of the next record
	end   int   // position in buf after the last byte read
	base  int64 // offset of buf[0] in the object
	eof   bool  // src has no bytes after end
	err   error // error of src, other than io.EOF

	// Lines are counted lazily: when a caller asks, or before their bytes are dropped.
	line    int64 // line of buf[counted], from 1; 0: unknown
	counted int   // at most start

	offset     int64 // offset of the record that Next found
	recordLine int64 // its line, from 1; 0: unknown; -1: not counted yet

	head   []byte // of the record at headAt: bytes that fill has dropped
	headAt int64
}

// newWindow reads src, whose first byte is at offset of its object. sizeHint is the object's size,
// -1 if unknown.
func newWindow(src io.Reader, offset, sizeHint int64) window {
	size := int64(maxBuffer)
	if sizeHint >= 0 {
		size = min(max(sizeHint-offset+1, minBuffer), maxBuffer)
	}
	w := window{src: src, base: offset, buf: make([]byte, size)}
	if offset == 0 {
		w.line = 1
	}
	return w
}

// Offset returns where the record that Next found starts.
func (w *window) Offset() int64 { return w.offset }

// Line returns the line of that record, from 1. It is 0 if reading did not begin at the start of
// the object.
func (w *window) Line() int64 {
	if w.recordLine < 0 {
		w.recordLine = w.lineAt(int(w.offset - w.base))
	}
	return w.recordLine
}

// markRecord makes the current position the start of the record that Next returns.
func (w *window) markRecord() { w.offset, w.recordLine = w.End(), -1 }

// lineAt returns the line of position i of the buffer. i must be at least counted.
func (w *window) lineAt(i int) int64 {
	if w.line == 0 {
		return 0
	}
	return w.line + int64(bytes.Count(w.buf[w.counted:i], newline))
}

// countLines counts the lines before the next record. The bytes before it may change afterwards.
func (w *window) countLines() {
	w.line, w.counted = w.lineAt(w.start), w.start
}

// End returns the offset after the record that Next found. A new reader can resume there.
func (w *window) End() int64 { return w.base + int64(w.start) }

// MaxRaw is how many bytes of a record Raw returns.
const MaxRaw = 4 << 10

// Raw returns a copy of the first bytes of the record that Next found, or that its Fault is about,
// with the line end; nil if they are not in memory.
func (w *window) Raw() []byte {
	if w.head != nil && w.headAt == w.offset {
		return w.head
	}
	from := w.offset - w.base
	if from < 0 || from >= int64(w.start) {
		return nil
	}
	return bytes.Clone(w.buf[from:min(int64(w.start), from+MaxRaw)])
}

// bytes returns the bytes in memory from the start of the next record.
func (w *window) bytes() []byte { return w.buf[w.start:w.end] }

// fill reads more bytes after end and keeps those from start. The buffer grows to at most most
// bytes. fill returns false if the buffer is full or the stream has no more bytes.
func (w *window) fill(most int) bool {
	switch {
	case w.eof || w.err != nil:
		return false
	case w.start > 0:
		w.countLines()
		w.head, w.headAt = w.Raw(), w.offset
		copy(w.buf, w.buf[w.start:w.end])
		w.base += int64(w.start)
		w.end -= w.start
		w.start, w.counted = 0, 0
	case w.end == len(w.buf):
		if len(w.buf) >= most {
			return false
		}
		larger := make([]byte, min(2*len(w.buf), most))
		copy(larger, w.buf)
		w.buf = larger
	}
	// Fill the whole buffer: the search for a record restarts after each fill, so short reads would
	// make it quadratic.
	n, err := io.ReadFull(w.src, w.buf[w.end:])
	w.end += n
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		w.eof = true
	default:
		w.err = err
	}
	return n > 0 || w.eof
}

// advance moves the start of the next record by n bytes.
func (w *window) advance(n int) { w.start += n }

// skipLine drops n bytes, and then all bytes up to and including the next line feed.
func (w *window) skipLine(n int) {
	w.Line() // must be counted before the bytes are dropped
	w.advance(n)
	for {
		if i := bytes.IndexByte(w.bytes(), '\n'); i >= 0 {
			w.advance(i + 1)
			return
		}
		w.advance(w.end - w.start)
		if !w.fill(len(w.buf)) {
			return
		}
	}
}

// checkStart inspects the first bytes of an object: it skips a byte order mark and returns a fatal
// Fault for content that is not plain text.
func (w *window) checkStart() error {
	if w.base != 0 || w.start != 0 || w.end != 0 {
		return nil
	}
	w.fill(len(w.buf)) // an error of src is returned after the records read before it
	if format := Format(w.bytes()); format != "" {
		return &Fault{Line: 1, Fatal: true, Err: formatError(format)}
	}
	if bytes.HasPrefix(w.bytes(), []byte("\xef\xbb\xbf")) {
		w.start = 3
	}
	return nil
}

var newline = []byte{'\n'}

type formatError string

func (f formatError) Error() string { return "is " + string(f) + ", not plain UTF-8 text" }

// Format recognizes formats that this package cannot read by the first bytes of data. It returns
// a name such as "compressed with gzip", or an empty string.
func Format(data []byte) string {
	for _, known := range [...]struct{ magic, name string }{
		{"\x1f\x8b", "compressed with gzip"},
		{"\x28\xb5\x2f\xfd", "compressed with zstd"},
		{"BZh", "compressed with bzip2"},
		{"PK\x03\x04", "a zip archive"},
		{"PAR1", "a Parquet file"},
		{"\xff\xfe", "UTF-16"},
		{"\xfe\xff", "UTF-16"},
	} {
		if bytes.HasPrefix(data, []byte(known.magic)) {
			return known.name
		}
	}
	return ""
}
