package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/hostlock"
)

// Create-only writes exclude a second runner, except in local folders (fileblob), where two writers
// can both win. There a runner holds an OS lock on run.json. It locks the file of a reader that it
// keeps open, which needs neither the path of the folder nor another file. The lock does not
// exclude processes of other hosts that share the folder.

// runLock is the lock on run.json, nil in a bucket that is no folder.
type runLock struct {
	reader *blob.Reader
	file   *os.File
}

// local reports whether the bucket is a folder of this host.
func (f *BucketSink[R]) local() bool {
	var info os.FileInfo
	return f.bucket.As(&info)
}

// enterCreation waits until no other process of this user creates a run.json in a folder. Without
// it two processes could each create the file and lock their own, and the second file would replace
// the first.
func (f *BucketSink[R]) enterCreation(ctx context.Context) (leave func(), err error) {
	if !f.local() {
		return func() {}, nil
	}
	path := filepath.Join(os.TempDir(), "dmap-"+strconv.Itoa(os.Getuid())+".lock")
	leave, err = hostlock.Enter(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return leave, nil
}

// lockRunFile locks run.json of a local folder. dmap.ErrFenced: another runner on this host holds
// the lock.
func (f *BucketSink[R]) lockRunFile(ctx context.Context, r *run) (_ *runLock, err error) {
	if !f.local() {
		return nil, nil
	}
	reader, err := f.bucket.NewReader(ctx, r.runKey(), nil)
	if err != nil {
		return nil, fmt.Errorf("sink: lock: %w", err)
	}
	var body io.Reader
	file, _ := body.(*os.File)
	if reader.As(&body) {
		file, _ = body.(*os.File)
	}
	l := &runLock{reader: reader, file: file}
	if file != nil {
		err = hostlock.Hold(file)
	}
	if errors.Is(err, hostlock.ErrHeld) {
		err = fmt.Errorf("%w: run.json is %w", dmap.ErrFenced, err)
	}
	if err == nil {
		return l, nil
	}
	return nil, errors.Join(fmt.Errorf("sink: folder %q: %w", r.folder, err), l.release())
}

// check returns dmap.ErrFenced if run.json is no longer the locked file.
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

func (l *runLock) release() error {
	if l == nil || l.reader == nil {
		return nil
	}
	err := l.reader.Close()
	l.reader = nil
	return err
}
