package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/hostlock"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Create-only writes exclude a second runner in every bucket. In a folder of this host (fileblob) a
// runner also locks a file in the run's folder: a second process is refused while the first lives,
// instead of fencing it off. The lock does not exclude processes of other hosts that share the
// folder.

// runLock is the lock on a run's folder, and run.json as it was when the run was opened. It locks
// nothing in a bucket that is no folder of this host. The nil runLock is that of a run that did not
// get its lock.
type runLock struct {
	leave  func()
	reader *blob.Reader // keeps file open, so that no other file gets its identity
	file   *os.File
}

// lockFolder locks the folder of a run if the bucket is a folder of this host. dmap.ErrFenced:
// another runner on this host holds the lock.
func lockFolder(ctx context.Context, bucket *blob.Bucket, folder string) (*runLock, error) {
	leave, err := publish.LockFolder(ctx, bucket, folder+runfolder.RunFileName, runfolder.LockName)
	if errors.Is(err, hostlock.ErrHeld) {
		err = fmt.Errorf("%w: the run is %w", dmap.ErrFenced, err)
	}
	if err != nil {
		return nil, &lockError{fmt.Errorf("sink: folder %q: %w", folder, err)}
	}
	return &runLock{leave: leave}, nil
}

// fileSystem tells the file systems that other hosts may share.
var fileSystem = hostfolder.Network //nolint:gochecknoglobals // tests replace it

// warnOfNetwork logs that the run's folder lies on a file system that other hosts may share. There,
// neither the lock nor a create-only write is known to exclude their processes.
func (r *run) warnOfNetwork(ctx context.Context, bucket *blob.Bucket) {
	path, ok, err := publish.LocalPath(ctx, bucket, r.runKey())
	if err != nil || !ok {
		return
	}
	if name := fileSystem(filepath.Dir(path)); name != "" {
		r.warn(ctx, "the results are on a file system that other hosts may share, where locks may not reach them: "+
			"let only one host work on the run, or use an object store", "fileSystem", name, "folder", filepath.Dir(path))
	}
}

// lockError is a lock that the run did not get.
type lockError struct{ err error }

func (e *lockError) Error() string { return e.err.Error() }
func (e *lockError) Unwrap() error { return e.err }

// openRunFile keeps run.json, under key, of a locked folder open.
func (l *runLock) openRunFile(ctx context.Context, bucket *blob.Bucket, key string) (err error) {
	if !publish.IsLocal(bucket) {
		return nil
	}
	if l.reader, err = bucket.NewReader(ctx, key, nil); err != nil {
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
