package body_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/body"
)

// network is a store whose driver works as that of a remote store: open and read run under contexts
// made from the driver's context, in goroutines of their own.
type network struct {
	driver.Bucket // the rest is not called
	open          func(ctx context.Context) error
	read          func(ctx context.Context, p []byte) (int, error)
	attributes    func(ctx context.Context) error
	size          int64           // of the body; -1: not known
	opened        context.Context // of the last reader
}

func (n *network) As(any) bool                        { return false }
func (n *network) Close() error                       { return nil }
func (n *network) ErrorAs(error, any) bool            { return false }
func (n *network) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }

func (n *network) NewRangeReader(ctx context.Context, _ string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	n.opened = ctx
	if n.open != nil {
		if err := n.open(ctx); err != nil {
			return nil, err
		}
	}
	return &networkReader{n, ctx}, nil
}

type mark struct{}

type networkReader struct {
	*network
	ctx context.Context
}

func (r *networkReader) Read(p []byte) (int, error) { return r.read(r.ctx, p) }
func (r *networkReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.size}
}

func (n *network) Attributes(ctx context.Context, _ string) (*driver.Attributes, error) {
	return nil, n.attributes(ctx)
}

// listens waits in a goroutine for a grandchild of ctx.
func listens(ctx context.Context) error {
	below, cancel := context.WithCancel(context.WithValue(ctx, mark{}, 1))
	defer cancel()
	ended := make(chan error)
	go func() {
		<-below.Done()
		ended <- context.Cause(below)
	}()
	return <-ended
}

// polls never listens, but checks the context every 7 seconds.
func polls(ctx context.Context) error {
	for ctx.Err() == nil {
		time.Sleep(7 * time.Second)
	}
	return context.Cause(ctx)
}

func openNetwork(ctx context.Context, t *testing.T, n *network) (*body.Reader, error) {
	if n.size == 0 {
		n.size = 100
	}
	bucket := blob.NewBucket(n)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return body.Open(ctx, body.Object{Bucket: bucket, Key: key, Size: -1, Stall: time.Minute}, 0)
}

func TestStallReachesDriversThatListenOrPoll(t *testing.T) {
	for name, stall := range map[string]func(context.Context) error{"listens": listens, "polls": polls} {
		noticed := time.Minute
		if name == "polls" {
			noticed = 63 * time.Second
		}
		t.Run(name+" while opening", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				_, err := openNetwork(t.Context(), t, &network{open: stall})
				require.ErrorIs(t, err, body.ErrStalled)
				require.Equal(t, noticed, time.Since(started))
			})
		})
		t.Run(name+" while reading", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := openNetwork(t.Context(), t, &network{read: func(ctx context.Context, _ []byte) (int, error) {
					return 0, stall(ctx)
				}})
				require.NoError(t, err)
				defer r.Close()
				<-time.After(time.Hour) // the consumer's time does not count
				started := time.Now()
				_, err = r.Read(make([]byte, 1))
				require.ErrorIs(t, err, body.ErrStalled)
				require.Equal(t, noticed, time.Since(started))
			})
		})
		t.Run(name+" while asking for the size of an empty body", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				started := time.Now()
				_, err := openNetwork(ctx, t, &network{size: -1, attributes: stall, read: func(context.Context, []byte) (int, error) {
					return 0, io.EOF
				}})
				require.ErrorIs(t, err, body.ErrStalled)
				require.Equal(t, noticed, time.Since(started))
			})
		})
		t.Run(name+" when the caller ends", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				_, err := openNetwork(ctx, t, &network{open: stall})
				require.ErrorIs(t, err, cause)
			})
		})
	}
}

func TestContextsOfTheDriverEndWithTheReader(t *testing.T) {
	for _, early := range []bool{true, false} {
		n := &network{read: func(_ context.Context, p []byte) (int, error) { return len(p), nil }}
		r, err := openNetwork(t.Context(), t, n)
		require.NoError(t, err)
		if early {
			require.NoError(t, n.opened.Err())
		}
		_, err = io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		<-n.opened.Done() // also for a driver that listens only now
		require.ErrorIs(t, n.opened.Err(), context.Canceled)
		require.NoError(t, t.Context().Err())
	}
}
