// Package hostfolder knows buckets that are folders of this host, which gocloud's fileblob opens:
// the paths of their objects, and which files may be opened as objects.
//
// An object is a regular file, or a symbolic link to one. Nothing else is opened: open(2) of a
// named pipe waits for its writer, whatever happens to the context.
package hostfolder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
)

// absent is added to a key to name an object that does not exist.
const absent = ".dmap-no-such-object"

// Is reports whether the bucket is a folder of this host. A driver that panics is none.
func Is(bucket *blob.Bucket) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	var info os.FileInfo
	return bucket.As(&info)
}

// Prefix returns the common prefix of the paths of all objects whose keys start with prefix, which
// must be valid UTF-8, in a folder of this host. It asks the driver for an object that does not
// exist, and takes the path from the error, as only the driver knows the folder and how it escapes
// keys. It opens no file.
func Prefix(ctx context.Context, bucket *blob.Bucket, prefix string) (path string, err error) {
	_, err = bucket.Attributes(ctx, prefix+absent)
	var missing *fs.PathError
	if err == nil || !bucket.ErrorAs(err, &missing) || !strings.HasSuffix(missing.Path, absent) {
		if err == nil {
			err = fmt.Errorf("%q exists: remove it", prefix+absent)
		}
		return "", fmt.Errorf("find the path of %q in the folder of the bucket: %w", prefix, err)
	}
	return strings.TrimSuffix(missing.Path, absent), nil
}

// Missing returns the error of a bucket whose folder has been removed, or cannot be reached, since
// it was opened: nil if the bucket is no folder of this host, or the folder is there.
func Missing(ctx context.Context, bucket *blob.Bucket) error {
	if Is(bucket) {
		return nil
	}
	path, err := Prefix(ctx, bucket, "")
	if err != nil {
		return nil // no folder
	}
	_, err = os.Stat(path)
	return err
}

// Path returns the path of the object under key, which must be valid UTF-8, in a folder of this
// host. It neither opens nor follows a file at that path.
func Path(ctx context.Context, bucket *blob.Bucket, key string) (string, error) {
	key, marker := strings.CutSuffix(key, "/")
	path, err := Prefix(ctx, bucket, key)
	if marker { // the driver escapes the slash at the end of a key
		path += "__0x2f__"
	}
	return path, err
}

// sidecar is the suffix of the files in which fileblob keeps attributes. It opens them with their
// object.
const sidecar = ".attrs"

// CheckReadable refuses an object of a folder of this host that is not a regular file, or whose
// file of attributes is not. It follows symbolic links, and is nil for other buckets and where
// nothing exists.
func CheckReadable(ctx context.Context, bucket *blob.Bucket, key string) error {
	if !Is(bucket) {
		return nil
	}
	path, err := Path(ctx, bucket, key)
	if err != nil {
		return nil //nolint:nilerr // the driver will refuse the key too
	}
	for _, name := range []string{path, path + sidecar} {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case name == path && info.IsDir(): // the driver calls that absent
			continue
		}
		if err := Regular(info); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// CheckListable refuses a directory of a folder of this host whose files of attributes, which the
// driver opens when it lists it, are not all regular. prefix is that of the keys in the directory,
// and ends with a slash. It is nil for other buckets, and for a directory that does not exist.
func CheckListable(ctx context.Context, bucket *blob.Bucket, prefix string) error {
	if !Is(bucket) {
		return nil
	}
	path, err := Prefix(ctx, bucket, prefix)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Dir(path + "x"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), sidecar) || entry.Type().IsRegular() || entry.IsDir() {
			continue
		}
		return fmt.Errorf("%q: %w but %s: remove it", filepath.Join(path, entry.Name()), ErrIrregular, Kind(entry.Type()))
	}
	return err
}
