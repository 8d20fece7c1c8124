package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/hostlock"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Create-only writes exclude a second runner in every bucket. In a folder of this host (fileblob) a
// runner also locks a file in the run's folder: a second process is refused while the first lives,
// instead of fencing it off. The lock does not exclude processes of other hosts that share the
// folder.

// runLock is the lock on a run's folder, and run.json as it was when the run was opened. It is nil
// in a bucket that is no folder.
type runLock struct {
	leave  func()
	reader *blob.Reader // keeps file open, so that no other file gets its identity
	file   *os.File
}

// lockFolder locks the run's folder in a folder of this host. dmap.ErrFenced: another runner on
// this host holds the lock.
func (f *BucketSink[R]) lockFolder(ctx context.Context, r *run) (leave func(), err error) {
	leave, err = publish.LockFolder(ctx, f.bucket, r.runKey(), runfolder.LockName)
	if errors.Is(err, hostlock.ErrHeld) {
		err = fmt.Errorf("%w: the run is %w", dmap.ErrFenced, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sink: folder %q: %w", r.folder, err)
	}
	return leave, nil
}

// lockError is a lock that the run did not get.
type lockError struct{ err error }

func (e *lockError) Error() string { return e.err.Error() }
func (e *lockError) Unwrap() error { return e.err }

// openRunFile keeps run.json of a locked folder open.
func (f *BucketSink[R]) openRunFile(ctx context.Context, r *run) (err error) {
	if !publish.IsLocal(f.bucket) {
		return nil
	}
	l := r.journal.lock
	if l.reader, err = f.bucket.NewReader(ctx, r.runKey(), nil); err != nil {
		return fmt.Errorf("sink: lock: %w", err)
	}
	var body io.Reader
	if l.reader.As(&body) {
		l.file, _ = body.(*os.File)
	}
	return nil
}

// check returns dmap.ErrFenced if run.json is no longer the file that the run was opened with.
func (l *runLock) check(ctx context.Context, bucket *blob.Bucket, key string) error {
	if l == nil || l.file == nil {
		return nil
	}
	held, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("sink: %q: %w", key, err)
	}
	attrs, err := bucket.Attributes(ctx, key)
	if err != nil {
		return fmt.Errorf("sink: %q: %w", key, err)
	}
	var now os.FileInfo
	if attrs.As(&now) && !os.SameFile(held, now) {
		return fmt.Errorf("sink: %w: %q was replaced since this process opened the run", dmap.ErrFenced, key)
	}
	return nil
}

// release lets another process of this host work on the run.
func (l *runLock) release() (err error) {
	if l == nil {
		return nil
	}
	if l.reader != nil {
		err = l.reader.Close()
		l.reader = nil
	}
	l.leave()
	return err
}
