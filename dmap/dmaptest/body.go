package dmaptest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// body reads an object. It is used by one goroutine at a time, as an io.Reader is.
type body struct {
	ctx    context.Context //nolint:containedctx // of the open: a driver's reader lives as long as it
	key    string
	r      *blob.Reader
	faults *FaultBucket

	fault *InjectedError // of the open; its After counts from the start of the body
	read  int64          // bytes delivered
	ended error          // what every Read returns from now on
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	fault := b.faults.begin(OpRead, b.key)
	n, err := 0, fault.before(b.ctx)
	if err == nil {
		n, err = b.broken(p, fault)
	}
	b.read += int64(n)
	b.faults.end(OpRead, b.key, int64(n), err)
	return n, err
}

// broken reads as the fault of this Read wants, else as that of the open.
func (b *body) broken(p []byte, fault *InjectedError) (int, error) {
	switch {
	case fault.shapes():
		n, err := b.shaped(p, fault, fault.Fault.After)
		if err == nil && !fault.is(Corrupt) {
			err = b.end(fault) // with this call, even if the bucket gave less than After
		}
		return n, err
	case b.fault != nil:
		return b.shaped(p, b.fault, b.fault.Fault.After-b.read)
	default:
		return b.r.Read(p)
	}
}

// shaped reads with a fault at the byte at of p, which may lie outside.
func (b *body) shaped(p []byte, fault *InjectedError, at int64) (int, error) {
	if fault.is(Corrupt) {
		n, err := b.r.Read(p)
		if at >= 0 && at < int64(n) {
			p[at] ^= 0xff
		}
		return n, err
	}
	if at <= 0 {
		return 0, b.end(fault)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), at)])
	if errors.Is(err, io.EOF) || err == nil && int64(n) == at {
		err = b.end(fault)
	}
	return n, err
}

// end makes fault the end of the body and returns what the caller sees of it.
func (b *body) end(fault *InjectedError) error {
	b.ended = io.EOF
	if fault.is(Reset) {
		b.ended = fault
	}
	return b.ended
}

func (b *body) Close() error { return b.r.Close() }

func (b *body) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: b.r.ContentType(), ModTime: b.r.ModTime(), Size: b.r.Size()}
}

func (b *body) As(i any) bool { return b.r.As(i) }

// upload writes an object.
type upload struct {
	ctx    context.Context    //nolint:containedctx // a driver's writer lives as long as it
	cancel context.CancelFunc // aborts the write below
	key    string
	w      *blob.Writer
	faults *FaultBucket
	bytes  int64
}

func (u *upload) Write(p []byte) (int, error) {
	fault := u.faults.begin(OpWrite, u.key)
	n, err := 0, fault.before(u.ctx)
	if err == nil {
		n, err = u.broken(p, fault)
	}
	u.bytes += int64(n)
	u.faults.end(OpWrite, u.key, int64(n), err)
	return n, err
}

func (u *upload) broken(p []byte, fault *InjectedError) (int, error) {
	switch {
	case fault.is(Short) && fault.Fault.After < int64(len(p)):
		if _, err := u.w.Write(p[:fault.Fault.After]); err != nil {
			return 0, err
		}
		return len(p), nil
	case fault.is(Corrupt) && fault.Fault.After < int64(len(p)):
		q := bytes.Clone(p) // a Writer must not change p
		q[fault.Fault.After] ^= 0xff
		return u.w.Write(q)
	default:
		return u.w.Write(p)
	}
}

// Close publishes the object, or aborts it if a fault or the end of the context comes first.
func (u *upload) Close() error {
	defer u.cancel()
	fault := u.faults.begin(OpClose, u.key)
	err := fault.before(u.ctx)
	if err != nil {
		u.cancel()
		_ = u.w.Close() // says that it was canceled
	} else {
		err = fault.after(u.w.Close())
	}
	u.faults.end(OpClose, u.key, u.bytes, err)
	return err
}
