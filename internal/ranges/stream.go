package ranges

import (
	"context"

	"github.com/go-dmap/dmap/internal/body"
)

// Stream is an io.ReadCloser over a Fetch.
type Stream struct {
	fetch *Fetch
	block *Block // nil: the next one must be fetched
	rest  []byte // unread bytes of block
	size  int64
}

// Open starts a Fetch and returns its bytes as a Stream.
func Open(ctx context.Context, o body.Object, from, to int64, options Options) *Stream {
	return &Stream{fetch: Start(ctx, o, from, to, options, func(*Block) {}, func() bool { return false }), size: o.Size}
}

// Size returns the size of the object.
func (s *Stream) Size() int64 { return s.size }

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		s.drop()
		b, err := s.fetch.Next()
		if err != nil {
			return 0, err
		}
		s.block, s.rest = b, b.Bytes
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *Stream) drop() {
	if s.block != nil {
		s.block.Release()
		s.block, s.rest = nil, nil
	}
}

// Close cancels all requests and waits for their goroutines.
func (s *Stream) Close() error {
	s.drop()
	s.fetch.Stop()
	return nil
}
