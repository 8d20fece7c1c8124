package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/publish"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = "text/plain; charset=utf-8"

// stores runs test over a memory bucket and a folder.
func stores(t *testing.T, test func(t *testing.T, bucket *dmaptest.FaultBucket)) {
	t.Run("mem", func(t *testing.T) { test(t, faulty(t)) })
	t.Run("file", func(t *testing.T) { test(t, dmaptest.NewFaultBucket(t, folder(t, t.TempDir()))) })
}

func faulty(t *testing.T) *dmaptest.FaultBucket {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	return dmaptest.NewFaultBucket(t, bucket)
}

func folder(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

func missing(t *testing.T, bucket *blob.Bucket, key string) {
	t.Helper()
	there, err := bucket.Exists(context.Background(), key)
	require.NoError(t, err)
	require.False(t, there, "%q appeared", key)
}

func TestCreateNeverOverwrites(t *testing.T) {
	stores(t, func(t *testing.T, bucket *dmaptest.FaultBucket) {
		ctx := t.Context()
		require.NoError(t, publish.Create(ctx, bucket.Bucket, "k", text, []byte("first")))
		for _, other := range []string{"other", "f", "first, longer", ""} {
			err := publish.Create(ctx, bucket.Bucket, "k", text, []byte(other))
			require.ErrorIs(t, err, publish.ErrExists)
			require.ErrorContains(t, err, `"k"`)
		}
		require.NoError(t, publish.Create(ctx, bucket.Bucket, "k", text, []byte("first")), "its own content is not another's")
		content, err := publish.Read(ctx, bucket.Bucket, "k", 5)
		require.NoError(t, err)
		require.Equal(t, "first", string(content))

		require.NoError(t, publish.Replace(ctx, bucket.Bucket, "k", text, []byte("second")))
		content, err = publish.Read(ctx, bucket.Bucket, "k", 6)
		require.NoError(t, err)
		require.Equal(t, "second", string(content))
	})
}

func TestEmptyObjectsAndContentTypesArePublished(t *testing.T) {
	bucket := faulty(t)
	require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "empty", "application/jsonl", nil))
	attrs, err := bucket.Attributes(t.Context(), "empty")
	require.NoError(t, err)
	require.Zero(t, attrs.Size)
	require.Equal(t, "application/jsonl", attrs.ContentType)
}

func TestCreateSucceedsIfTheAnswerIsLost(t *testing.T) {
	for _, code := range []gcerrors.ErrorCode{gcerrors.Unknown, gcerrors.FailedPrecondition} {
		stores(t, func(t *testing.T, bucket *dmaptest.FaultBucket) {
			hits := bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Kind: dmaptest.Lost, Code: code})
			content := bytes.Repeat([]byte("x"), 3<<20)
			require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, content))
			require.Equal(t, 1, hits())
			require.Equal(t, 1, bucket.Calls(dmaptest.OpCreate))
		})
	}
}

func TestRefusedCreateThatCannotBeReadBackIsAnError(t *testing.T) {
	bucket := faulty(t)
	require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, []byte("first")))
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Err: errors.New("no reading today")})
	err := publish.Create(t.Context(), bucket.Bucket, "k", text, []byte("second"))
	require.NotErrorIs(t, err, publish.ErrExists)
	require.ErrorContains(t, err, "no reading today")
	require.ErrorContains(t, err, "reading it back")
}

func TestReadingBackIsRepeatedIfItBreaksOff(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 3<<20)
	for _, kind := range []dmaptest.Kind{dmaptest.Short, dmaptest.Reset, dmaptest.Corrupt} {
		synctest.Test(t, func(t *testing.T) {
			bucket := faulty(t)
			require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, content))
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: kind, After: 2 << 20, Err: syscall.ECONNRESET})
			err := publish.Create(t.Context(), bucket.Bucket, "k", text, content)
			if kind == dmaptest.Corrupt {
				require.ErrorIs(t, err, publish.ErrExists)
				return
			}
			require.NoError(t, err, "%s: it is read again", kind)
		})
	}
}

func TestBrokenConnectionOfAnSDKDoesNotCancelItsUpload(t *testing.T) {
	sdk := &sdkDriver{}
	bucket := blob.NewBucket(sdk)
	defer bucket.Close()
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	require.NoError(t, publish.Replace(t.Context(), bucket, "k", text, content))
	require.Equal(t, content, sdk.stored)
}

// sdkDriver uploads as the SDKs of clouds do: it rewinds the body and repeats the request when the
// connection breaks.
type sdkDriver struct {
	wild
	stored []byte
}

func (d *sdkDriver) NewTypedWriter(ctx context.Context, _, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &sdkWriter{d: d, ctx: ctx}, nil
}

type sdkWriter struct {
	driver.Writer
	d   *sdkDriver
	ctx context.Context
	buf bytes.Buffer
}

// brokenPipe accepts ten bytes and fails.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 10, syscall.EPIPE }

func (w *sdkWriter) Upload(r io.Reader) error {
	body, ok := r.(io.ReadSeeker)
	if !ok {
		return errors.New("not seekable")
	}
	if _, err := io.Copy(brokenPipe{}, body); !errors.Is(err, syscall.EPIPE) {
		return errors.New("the connection was meant to break")
	}
	if _, err := body.Seek(100, io.SeekStart); err != nil {
		return err
	}
	w.buf.Write(make([]byte, 100))
	if _, err := io.Copy(&w.buf, body); err != nil {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(body, w.buf.Bytes()[:100])
	return err
}

func (w *sdkWriter) Close() error {
	w.d.stored = w.buf.Bytes()
	return w.ctx.Err()
}

func TestFailedCreatePublishesNoHalfObject(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // three steps
	faults := []dmaptest.Fault{
		{Op: dmaptest.OpCreate}, {Op: dmaptest.OpClose},
		{Op: dmaptest.OpWrite, Nth: 1}, {Op: dmaptest.OpWrite, Nth: 2}, {Op: dmaptest.OpWrite, Nth: 3},
		{Op: dmaptest.OpWrite, Nth: 2, Kind: dmaptest.Stall}, {Op: dmaptest.OpClose, Kind: dmaptest.Stall},
	}
	for _, fault := range faults {
		stores(t, func(t *testing.T, bucket *dmaptest.FaultBucket) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			why := errors.New("shutting down")
			if fault.Kind == dmaptest.Stall {
				go func() {
					for bucket.Calls(fault.Op) < max(1, fault.Nth) {
						runtime.Gosched()
					}
					cancel(why)
				}()
			}
			hits := bucket.Inject(fault)
			err := publish.Create(ctx, bucket.Bucket, "dir/k", text, content)
			require.Error(t, err)
			require.ErrorContains(t, err, `"dir/k"`)
			if fault.Kind == dmaptest.Stall {
				require.ErrorIs(t, err, why)
			} else {
				require.ErrorIs(t, err, dmaptest.ErrInjected)
			}
			require.Equal(t, 1, hits())
			bucket.Heal()
			missing(t, bucket.Bucket, "dir/k")
		})
	}
}

func TestACanceledContextWritesNothing(t *testing.T) {
	bucket := faulty(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	cancel(why)
	require.ErrorIs(t, publish.Create(ctx, bucket.Bucket, "k", text, []byte("x")), why)
	require.Zero(t, bucket.Calls(dmaptest.OpCreate))
}

// On a full disk fileblob fails in the middle of the reader, and would then rename the half file.
func TestFullDiskLeavesNoHalfObject(t *testing.T) {
	const dirName = "DMAP_TEST_FULL_DISK"
	if dir := os.Getenv(dirName); dir != "" { // the child, which may write files of 1 MiB
		err := publish.Create(t.Context(), folder(t, dir), "k", text, make([]byte, 4<<20))
		require.ErrorIs(t, err, syscall.EFBIG)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit -f")
	}
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), "bash", "-c", `ulimit -f 1024; trap '' XFSZ; exec "$0" "$@"`,
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	child.Env = append(os.Environ(), dirName+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	missing(t, folder(t, dir), "k")
}

// wild is a driver whose writer panics or ends the goroutine. It publishes the bytes it has
// received when it is closed under a live context.
type wild struct {
	driver.Bucket
	onWrite, onClose func()
	published        []byte
}

func (w *wild) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (w *wild) Close() error                       { return nil }
func (w *wild) NewRangeReader(context.Context, string, int64, int64, *driver.ReaderOptions) (driver.Reader, error) {
	return nil, errors.New("nothing to read")
}
func (w *wild) NewTypedWriter(ctx context.Context, _, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &wildWriter{wild: w, ctx: ctx}, nil
}

type wildWriter struct {
	*wild
	ctx context.Context
	buf []byte
}

func (w *wildWriter) Write(p []byte) (int, error) {
	if w.buf = append(w.buf, p...); len(w.buf) > len(p) && w.onWrite != nil {
		w.onWrite()
	}
	return len(p), nil
}

func (w *wildWriter) Close() error {
	if w.onClose != nil {
		w.onClose()
	}
	if w.ctx.Err() == nil {
		w.published = w.buf
	}
	return w.ctx.Err()
}

func TestPanicInADriverIsAnErrorAndPublishesNothing(t *testing.T) {
	for _, at := range []string{"write", "close"} {
		t.Run(at, func(t *testing.T) {
			w := new(wild)
			if boom := func() { panic("boom " + at) }; at == "write" {
				w.onWrite = boom
			} else {
				w.onClose = boom
			}
			bucket := blob.NewBucket(w)
			defer bucket.Close()
			err := publish.Create(t.Context(), bucket, "k", text, make([]byte, 2<<20))
			require.ErrorContains(t, err, "boom "+at)
			require.ErrorContains(t, err, "wildWriter", "the stack tells where")
			require.Nil(t, w.published)
		})
	}
}

func TestGoexitInADriverPublishesNothing(t *testing.T) {
	w := &wild{onWrite: runtime.Goexit}
	bucket := blob.NewBucket(w)
	defer bucket.Close()
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_ = publish.Create(t.Context(), bucket, "k", text, make([]byte, 2<<20))
		returned = true
	}()
	<-ended
	require.False(t, returned)
	require.Nil(t, w.published)
}

func TestReadRefusesLargeObjectsAndRepeatsShortBodies(t *testing.T) {
	bucket := faulty(t)
	require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, []byte(strings.Repeat("x", 1000))))
	_, err := publish.Read(t.Context(), bucket.Bucket, "k", 999)
	require.ErrorContains(t, err, `"k"`)
	require.ErrorContains(t, err, "1000 bytes")

	hits := bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Kind: dmaptest.Short, After: 10})
	content, err := publish.Read(t.Context(), bucket.Bucket, "k", 1000)
	require.NoError(t, err, "a body that ends early is read again")
	require.Len(t, content, 1000)
	require.Equal(t, 1, hits())

	_, err = publish.Read(t.Context(), bucket.Bucket, "absent", 1000)
	require.Equal(t, gcerrors.NotFound, gcerrors.Code(err))
}

func ExampleCreate() {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	ctx := context.Background()

	fmt.Println(publish.Create(ctx, bucket, "lock", text, []byte("writer 1")))
	fmt.Println(publish.Create(ctx, bucket, "lock", text, []byte("writer 2")))
	// Output:
	// <nil>
	// create "lock": object exists already
}
