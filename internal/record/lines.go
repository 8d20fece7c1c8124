package record

import (
	"bytes"
	"io"
)

// Lines finds the lines of a stream. It skips lines of nothing but spaces and tabs.
type Lines struct {
	window
	max    int
	record []byte
}

// NewLines reads src, whose first byte is at offset of its object and must start a line. A line
// has at most max bytes. sizeHint is the object's size, -1 if unknown.
func NewLines(src io.Reader, offset, sizeHint int64, max int) *Lines {
	return &Lines{window: newWindow(src, offset, sizeHint), max: max}
}

// Bytes returns the line that Next found, without its line end. It is valid until the next call
// of Next.
func (l *Lines) Bytes() []byte { return l.record }

// Next finds the next line, and returns io.EOF after the last one. A *Fault concerns only this
// line, unless it is Fatal. Any other error comes from the stream, and is final.
func (l *Lines) Next() error {
	if err := l.checkStart(); err != nil {
		return err
	}
	for {
		l.markRecord()
		n, content, err := l.measureLine()
		if err != nil {
			return err
		}
		l.record = bytes.TrimSuffix(l.bytes()[:content], []byte{'\r'})
		if len(l.record) > l.max {
			l.skipLine(content)
			return &Fault{Offset: l.offset, Line: l.Line(), Limit: "record bytes", Max: int64(l.max)}
		}
		l.advance(n)
		if len(bytes.TrimLeft(l.record, " \t")) > 0 {
			return nil
		}
	}
}

// measureLine returns the length of the line at start, with and without its line feed. Of a line
// that is too long for the buffer it returns the number of bytes in memory.
func (l *Lines) measureLine() (n, content int, err error) {
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
		case l.eof && seen == 0:
			return 0, 0, io.EOF
		default:
			return seen, seen, nil
		}
	}
}
