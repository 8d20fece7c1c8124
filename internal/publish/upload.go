package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/hostfolder"
)

// errThere says that writeBeside has found an object where it was to create one.
var errThere = errors.New("the object exists already")

// uploadToFolder writes an object of a folder of this host by put, the driver's upload under opts.
//
// A file gets no permission that its folder does not give, so the mode that the bucket gives to
// folders also bounds that of files, for which fileblob has no option. If the driver has no folder
// for its temporary files, or cannot move them from there to the bucket, the object is written
// beside its place.
func uploadToFolder(ctx context.Context, bucket *blob.Bucket, key string, content []byte, opts *blob.WriterOptions, put func(context.Context) error) error {
	path, _, err := LocalPath(ctx, bucket, key)
	if err != nil {
		return err
	}
	mode := func() fs.FileMode { return folderMode(filepath.Dir(path)) }
	opts.BeforeWrite = func(as func(any) bool) error {
		var file *os.File
		if as(&file) {
			return restrict(file, mode())
		}
		return nil
	}
	err = put(ctx)
	if err != nil && ctx.Err() == nil && noTempDir(err, path) {
		return writeBeside(path, content, opts.IfNotExist, mode())
	}
	if err == nil {
		err = restrictSidecar(path+sidecar, mode())
	}
	return err
}

// folderMode returns the permissions to read and write that a folder gives, those of all if it
// cannot tell.
func folderMode(folder string) fs.FileMode {
	info, err := os.Stat(folder)
	if err != nil {
		return 0o666
	}
	return info.Mode() & 0o666
}

// restrict takes the permissions from a file that are not in mode, which its owner always has.
func restrict(file *os.File, mode fs.FileMode) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if now, want := info.Mode().Perm(), info.Mode().Perm()&(mode|0o600); now != want {
		return file.Chmod(want)
	}
	return nil
}

// restrictSidecar is restrict for a file of the driver, if it has written one.
func restrictSidecar(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // none is there
	}
	if now, want := info.Mode().Perm(), info.Mode().Perm()&(mode|0o600); now != want {
		return os.Chmod(path, want)
	}
	return nil
}

// noTempDir reports whether err says that the driver's temporary files have no folder, or one on
// another file system than the object at path.
func noTempDir(err error, path string) bool {
	var opened *fs.PathError
	var moved *os.LinkError
	switch {
	case errors.As(err, &moved):
		return errors.Is(moved.Err, syscall.EXDEV)
	case errors.As(err, &opened):
		dir := filepath.Dir(opened.Path)
		return dir == filepath.Clean(os.TempDir()) && dir != filepath.Dir(path)
	}
	return false
}

// writeBeside writes content to a temporary file beside path, as fileblob's NoTempDir does, and
// moves it there. It writes no sidecar. The caller holds the lock of the object if it is to be
// created.
func writeBeside(path string, content []byte, create bool, mode fs.FileMode) (err error) {
	there, err := os.Lstat(path)
	switch {
	case err == nil && create:
		return errThere
	case err == nil && !there.Mode().IsRegular():
		return fmt.Errorf("%q: %w", path, hostfolder.Regular(there))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp := path + "." + strconv.FormatInt(time.Now().UnixNano(), 16) + ".tmp"
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %q: %w", path, err), os.Remove(temp))
		}
	}()
	err = restrict(file, mode)
	if err == nil {
		_, err = file.Write(content)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
