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

// Create-only writes keep a second runner of a run off, except in folders (fileblob), where two writers can both win. There
// a runner holds an OS lock on run.json: by the reader that it keeps open, so that neither the folder's path nor another
// file is needed. Processes of other hosts that share the folder are not kept off.

// runLock is the lock on run.json, nil in a bucket that is no folder.
type runLock struct {
	reader *blob.Reader
	file   *os.File
}

// local says whether the bucket is a folder of this host.
func (f *Folder[R]) local() bool {
	var info os.FileInfo
	return f.bucket.As(&info)
}

// enter waits until no other process of this user creates a run.json in a folder. Two could both create one, each lock its
// own, and the second would have replaced the first.
func (f *Folder[R]) enter(ctx context.Context) (leave func(), err error) {
	if !f.local() {
		return func() {}, nil
	}
	gate := filepath.Join(os.TempDir(), "dmap-"+strconv.Itoa(os.Getuid())+".lock")
	leave, err = hostlock.Enter(ctx, gate)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return leave, nil
}

// lock locks run.json of a folder. dmap.ErrFenced: another runner on this host has it.
func (f *Folder[R]) lock(ctx context.Context, r *run) (_ *runLock, err error) {
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
		err = fmt.Errorf("%w: it is %w", dmap.ErrFenced, err)
	}
	if err == nil {
		return l, nil
	}
	return nil, errors.Join(fmt.Errorf("sink: folder %q: %w", r.folder, err), l.release())
}

// check says whether run.json is still the file that is locked.
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
		return fmt.Errorf("sink: %w: %q is another file than when the run was opened", dmap.ErrFenced, key)
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
