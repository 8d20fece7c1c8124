// Package record finds the records of a stream of bytes, CSV rows and lines, in bounded memory: a record that is too long
// or malformed costs only itself. It allocates nothing per record.
package record

import (
	"bytes"
	"io"
	"strconv"
)

// The buffer starts between these sizes and grows to the longest record.
const (
	minBuffer = 4 << 10
	maxBuffer = 256 << 10
)

// Fault is what is wrong with one record, or, if it is Fatal, with all that follows.
type Fault struct {
	Offset int64  // where the record starts, or an unclosed quote
	Line   int64  // of that; 0: unknown
	Field  int    // from 1; 0: none in particular
	Limit  string // the limit that was exceeded, "record bytes"; empty: none
	Max    int64  // of Limit
	Fatal  bool
	Err    error // what else is wrong; nil with Limit
}

func (f *Fault) Error() string {
	if f.Limit != "" {
		return "more than " + strconv.FormatInt(f.Max, 10) + " " + f.Limit
	}
	return f.Err.Error()
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// window is the part of a stream that is in memory: the record that is being looked for, and what was read beyond it.
type window struct {
	src   io.Reader
	buf   []byte
	start int   // of the record
	end   int   // of the bytes read
	base  int64 // offset of buf[0] in the object
	ended bool  // nothing comes after end
	err   error // of src, other than io.EOF

	// Lines are counted late: when somebody asks, or before their bytes are dropped.
	line    int64 // that of buf[counted], from 1; 0: unknown
	counted int   // at most start

	offset int64 // of the record that Next found
	at     int64 // its line, from 1; 0: unknown; -1: not counted yet
}

// newWindow reads src, whose first byte lies at offset of its object. sizeHint is how much will come, -1 if unknown.
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

// Offset is where the record that Next found starts.
func (w *window) Offset() int64 { return w.offset }

// Line is its line, from 1; 0 if reading did not begin at the start of the object.
func (w *window) Line() int64 {
	if w.at < 0 {
		w.at = w.lineAt(int(w.offset - w.base))
	}
	return w.at
}

// found notes that a record starts here.
func (w *window) found() { w.offset, w.at = w.End(), -1 }

// lineAt is the line of position i of the buffer, which is not before counted.
func (w *window) lineAt(i int) int64 {
	if w.line == 0 {
		return 0
	}
	return w.line + int64(bytes.Count(w.buf[w.counted:i], newline))
}

// count counts the lines up to the start of the record, whose bytes may change or go from now on.
func (w *window) count() {
	w.line, w.counted = w.lineAt(w.start), w.start
}

// End is the offset behind it: where reading can go on.
func (w *window) End() int64 { return w.base + int64(w.start) }

// bytes are those from the start of the record on.
func (w *window) bytes() []byte { return w.buf[w.start:w.end] }

// fill gets more bytes behind end, without letting go of those from start on. It is false when there are no more, or no
// room for more than most bytes.
func (w *window) fill(most int) bool {
	switch {
	case w.ended || w.err != nil:
		return false
	case w.start > 0:
		w.count()
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
	n, err := io.ReadFull(w.src, w.buf[w.end:]) // a record is looked for once per fill: little ones would make that quadratic
	w.end += n
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		w.ended = true
	default:
		w.err = err
	}
	return n > 0 || w.ended
}

// take moves the start of the next record n bytes on.
func (w *window) take(n int) { w.start += n }

// skipLine drops all up to and including the next line end, from n bytes behind start on.
func (w *window) skipLine(n int) {
	w.Line() // before the bytes go
	w.take(n)
	for {
		if i := bytes.IndexByte(w.bytes(), '\n'); i >= 0 {
			w.take(i + 1)
			return
		}
		w.take(w.end - w.start)
		if !w.fill(len(w.buf)) {
			return
		}
	}
}

// begin looks at the first bytes of an object: it drops a byte order mark and refuses what is no plain text.
func (w *window) begin() error {
	if w.base != 0 || w.start != 0 || w.end != 0 {
		return nil
	}
	w.fill(len(w.buf)) // an error of it comes up behind the records there are
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

// Format names what data starts like, if it is none of the text that this package reads.
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
