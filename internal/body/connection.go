package body

import (
	"fmt"
	"io"
	"runtime"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/transient"
)

// connection is one open body. It is used once, because the driver may hold its context after
// close.
type connection struct {
	*blob.Reader
	ctx    stallContext
	ranged bool // whether the store returns the range that was asked for is not known
	whole  bool // no range was asked for
	peeked int  // 1: first is the first byte, which read has not returned
	first  [1]byte
}

// peek reads the first byte, for read to return it. It returns false if there is none.
func (c *connection) peek() bool {
	n, err := c.read(c.first[:])
	for n == 0 && err == nil {
		n, err = c.read(c.first[:])
	}
	c.peeked = n
	return n > 0 || err != io.EOF // read returns the error again
}

func (c *connection) read(p []byte) (int, error) {
	if c.peeked > 0 {
		c.peeked = 0
		return copy(p, c.first[:]), nil
	}
	c.ctx.beginWait()
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		c.ctx.endWait()
		return n, err
	}
	return n, c.endWait(err)
}

// endWait ends a wait for the store, which returned err. If the stall timeout or the caller ended
// the wait, it returns that cause instead.
func (c *connection) endWait(err error) error {
	c.ctx.endWait()
	if err == nil {
		return nil
	}
	switch cause := c.ctx.cause(); {
	case cause == nil:
		return err
	case cause == ErrStalled && !onlyCanceled(err): // stallContext sets it
		return fmt.Errorf("%w: %w", cause, err) // the last answer of the store, to an SDK that retries
	default:
		return cause
	}
}

// onlyCanceled reports whether err says no more than that a context ended.
func onlyCanceled(err error) bool { return !transient.Answered(err) }

func (c *connection) close() {
	c.ctx.release()
	c.Reader.Close()
	// The finalizer only reports a reader that was not closed. It keeps the reader in memory over a
	// garbage collection, which costs a tenth of the time of a small object.
	runtime.SetFinalizer(c.Reader, nil)
}
