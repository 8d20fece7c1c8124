package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/hostfolder"
	"github.com/go-dmap/dmap/internal/hostlock"
)

// A folder of this host (fileblob) is the one store whose create-only write is not exclusive: the
// driver looks whether the object exists, and then renames. So Create holds a lock in the folder
// meanwhile.

// lockSuffix names the lock of an object that is being created.
const lockSuffix = ".lock"

// IsLocal reports whether the bucket is a folder of this host. A driver that panics is none.
func IsLocal(bucket *blob.Bucket) bool { return hostfolder.Is(bucket) }

// LocalPath is the path of the object under key in a folder of this host. ok is false for other
// buckets. It neither opens nor follows a file at that path.
func LocalPath(ctx context.Context, bucket *blob.Bucket, key string) (path string, ok bool, err error) {
	if !IsLocal(bucket) {
		return "", false, nil
	}
	path, err = hostfolder.Path(ctx, bucket, key)
	return path, err == nil, err
}

// exclusively runs create, which creates the object under key if there is none, while no other
// process of this host does. Elsewhere the store sees to that.
func exclusively(ctx context.Context, bucket *blob.Bucket, key string, create func() error) error {
	path, ok, err := LocalPath(ctx, bucket, key)
	if err != nil {
		return err
	}
	if ok {
		for _, name := range []string{path, path + sidecar} { // the driver would write through a link
			if err := hostlock.CheckRegular(name); err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
		}
		leave, err := inFolder(ctx, bucket, key, filepath.Dir(path), func() (func(), error) {
			return hostlock.Enter(ctx, path+lockSuffix)
		})
		if err != nil {
			return err
		}
		defer leave()
	}
	return create()
}

// LockFolder locks the file name beside the object under key, in a folder of this host, until leave
// is called. It does not wait: if another process or goroutine holds the lock it returns
// hostlock.ErrHeld. In other buckets it does nothing.
func LockFolder(ctx context.Context, bucket *blob.Bucket, key, name string) (leave func(), err error) {
	path, ok, err := LocalPath(ctx, bucket, key)
	if err != nil || !ok {
		return func() {}, err
	}
	parent := filepath.Dir(path)
	return inFolder(ctx, bucket, key, parent, func() (func(), error) { return hostlock.Try(filepath.Join(parent, name)) })
}

// CheckRegular returns hostlock.ErrIrregular if the bucket is a folder of this host and something
// other than a regular file is at the path of key, such as a symbolic link or a FIFO.
func CheckRegular(ctx context.Context, bucket *blob.Bucket, key string) error {
	path, ok, err := LocalPath(ctx, bucket, key)
	if err != nil || !ok {
		return err
	}
	if err := hostlock.CheckRegular(path); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// errMade ends a write that is only to make a folder.
var errMade = errors.New("the folder is made")

// folderAttempts bounds how often a folder that vanishes is made again.
const folderAttempts = 5

// inFolder makes the folder of the object under key and calls lock, which creates a file in it.
// Whoever removes empty folders, such as a preflight of the same run, may do so in between: then
// inFolder does both again.
func inFolder(ctx context.Context, bucket *blob.Bucket, key, folder string, lock func() (leave func(), err error)) (leave func(), err error) {
	for range folderAttempts {
		if err = makeFolder(ctx, bucket, key, folder); err == nil {
			leave, err = lock()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return leave, err
}

// makeFolder makes the folder of the object under key with the mode that the bucket gives to
// folders, which only its driver knows.
func makeFolder(ctx context.Context, bucket *blob.Bucket, key, folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := bucket.NewWriter(ctx, key, &blob.WriterOptions{
		ContentType: "application/json", // else the driver is called at the first Write
		BeforeWrite: func(func(any) bool) error { return errMade },
	})
	if err == nil { // the driver does not call BeforeWrite
		cancel()
		err = w.Close()
	}
	if _, statErr := os.Stat(folder); statErr != nil {
		if errors.Is(err, errMade) { // and removed since
			err = statErr
		}
		return fmt.Errorf("make the folder %q: %w", folder, err)
	}
	return nil
}

// open opens length bytes of the object under key from offset on; -1: all that follow.
func open(ctx context.Context, bucket *blob.Bucket, key string, offset, length int64) (*blob.Reader, error) {
	if err := hostfolder.CheckReadable(ctx, bucket, key); err != nil {
		return nil, err
	}
	r, err := bucket.NewRangeReader(ctx, key, offset, length, nil)
	if err == nil || !IsLocal(bucket) {
		return r, err
	}
	var denied *fs.PathError
	if bucket.ErrorAs(err, &denied) {
		err = hostlock.Explain(denied.Path, err)
	}
	return nil, err
}

// sidecar is the suffix of the file in which fileblob keeps the attributes of an object.
const sidecar = ".attrs"
