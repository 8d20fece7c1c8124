package record

import (
	"bytes"
	"io"
)

// Lines finds the lines of a stream. Blank ones (of spaces and tabs) are passed over.
type Lines struct {
	window
	max    int
	record []byte
}

// NewLines reads src, whose first byte lies at offset of its object, where a line must start. A line has at most max
// bytes. sizeHint is the object's size, -1 if unknown.
func NewLines(src io.Reader, offset, sizeHint int64, max int) *Lines {
	return &Lines{window: newWindow(src, offset, sizeHint), max: max}
}

// Bytes is the line that Next found, without its end; valid until the next call of Next.
func (l *Lines) Bytes() []byte { return l.record }

// Next finds the next line. A *Fault is about this line only unless it is Fatal; io.EOF comes after the last.
// Any other error is one of the stream, and final.
func (l *Lines) Next() error {
	if err := l.begin(); err != nil {
		return err
	}
	for {
		l.found()
		n, content, err := l.frame()
		if err != nil {
			return err
		}
		l.record = bytes.TrimSuffix(l.bytes()[:content], []byte{'\r'})
		if len(l.record) > l.max {
			l.skipLine(content)
			return &Fault{Offset: l.offset, Line: l.Line(), Limit: "record bytes", Max: int64(l.max)}
		}
		l.take(n)
		if len(bytes.TrimLeft(l.record, " \t")) > 0 {
			return nil
		}
	}
}

// frame returns how many bytes the line at start has, with and without its line feed. One that does not fit is cut short.
func (l *Lines) frame() (n, content int, err error) {
	seen := 0
	for {
		if i := bytes.IndexByte(l.bytes()[seen:], '\n'); i >= 0 {
			return seen + i + 1, seen + i, nil
		}
		seen = l.end - l.start
		if l.fill(l.max + 2) {
			continue
		}
		switch {
		case l.err != nil:
			return 0, 0, l.err
		case l.ended && seen == 0:
			return 0, 0, io.EOF
		default:
			return seen, seen, nil
		}
	}
}
