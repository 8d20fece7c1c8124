package body

import (
	"io"
	"runtime"

	"gocloud.dev/blob"
)

// connection is one open body. It is used once, because the driver may hold its context after
// close.
type connection struct {
	*blob.Reader
	ctx stallContext
}

func (c *connection) read(p []byte) (int, error) {
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
	if cause := c.ctx.cause(); cause != nil {
		return cause
	}
	return err
}

func (c *connection) close() {
	c.ctx.release()
	c.Reader.Close()
	// The finalizer only reports a reader that was not closed. It keeps the reader in memory over a
	// garbage collection, which costs a tenth of the time of a small object.
	runtime.SetFinalizer(c.Reader, nil)
}
