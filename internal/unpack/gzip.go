package unpack

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"
)

// members reads the members of a gzip stream one after the other. Zero bytes after the last one are
// padding, as gzip itself takes them: tapes, and stores that write whole blocks, add it. Anything
// else there is an error.
type members struct {
	in   *bufio.Reader
	gzip *gzip.Reader
	err  error // final
}

func newMembers(in *bufio.Reader) (*members, error) {
	first, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	first.Multistream(false)
	return &members{in: in, gzip: first}, nil
}

func (m *members) Read(p []byte) (int, error) {
	for m.err == nil {
		n, err := m.gzip.Read(p)
		if err == io.EOF {
			m.err = m.next()
		} else {
			m.err = err
		}
		if n > 0 || err == nil {
			return n, nil
		}
	}
	return 0, m.err
}

// next starts the next member. It returns io.EOF if there is none.
func (m *members) next() error {
	if err := skipZeros(m.in); err != nil {
		return err
	}
	if err := m.gzip.Reset(m.in); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	m.gzip.Multistream(false)
	return nil
}

// skipZeros skips zero bytes up to the end, and returns io.EOF there. It skips none before others.
func skipZeros(in *bufio.Reader) error {
	next, err := in.Peek(1)
	if err != nil || next[0] != 0 {
		return err
	}
	for {
		c, err := in.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return gzip.ErrHeader
		}
	}
}
