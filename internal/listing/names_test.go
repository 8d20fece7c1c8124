package listing

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
)

// byDriver returns the objects of the bucket's own listing, in one page.
func byDriver(t *testing.T, bucket *blob.Bucket) map[string]blob.ListObject {
	t.Helper()
	objects, next, err := bucket.ListPage(t.Context(), blob.FirstPageToken, 100_000, nil)
	require.NoError(t, err)
	require.Empty(t, next)
	return plain(objects)
}

// plain returns the fields of objects that are not functions, by key.
func plain(objects []*blob.ListObject) map[string]blob.ListObject {
	out := map[string]blob.ListObject{}
	for _, o := range objects {
		out[o.Key] = blob.ListObject{Key: o.Key, ModTime: o.ModTime, Size: o.Size, MD5: o.MD5, IsDir: o.IsDir}
	}
	return out
}

func TestObjectsMadeFromNamesAreThoseOfTheDriver(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, nil) // with sidecars
	require.NoError(t, err)
	for _, sub := range []string{"", "sub/", "sub/a-/", "sub/x.attrs/", "ünïcode/", "with space/"} {
		for i := range 20 {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
			require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("%sobject-%02d.json", sub, i), make([]byte, i), nil))
			require.NoError(t, os.WriteFile(filepath.Join(dir, sub, fmt.Sprintf("foreign-%02d", i)), make([]byte, i), 0o600))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "object-03.json.attrs"), []byte("{"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "no-object.attrs"), []byte("{}"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "upload.tmp"), []byte("half"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "\xff"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	want := byDriver(t, bucket)
	require.Contains(t, want, "sub/x.attrs/foreign-00")
	require.NotNil(t, want["object-01.json"].MD5)
	var got []*blob.ListObject
	for object, err := range After(t.Context(), bucket, "", "") {
		require.NoError(t, err)
		got = append(got, object)
	}
	require.Equal(t, want, plain(got))
	require.Len(t, got, len(want))
}

func TestFileRemovedWhileItsFolderIsListedIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	filled(t, bucket, []string{"a", "b", "c", "d"})
	var got []string
	for object, err := range After(t.Context(), bucket, "", "") {
		require.NoError(t, err)
		got = append(got, object.Key)
		if object.Key == "a" {
			require.NoError(t, os.Remove(filepath.Join(dir, "c")))
		}
	}
	require.Equal(t, []string{"a", "b", "d"}, got)
}

func TestListingOfALargeDirectoryEndsWithItsContext(t *testing.T) {
	const n = 2*readEvery + 1
	bucket := crowded(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listed := 0
	var failed error
	for _, err := range After(ctx, bucket, "", "") {
		if failed = err; err == nil {
			listed++
			cancel()
		}
	}
	require.ErrorIs(t, failed, context.Canceled)
	require.LessOrEqual(t, listed, readEvery)
}

// crowded returns a folder of n files in one directory.
func crowded(t *testing.T, n int) *blob.Bucket {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%08d.json", i)), nil, 0o600))
	}
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	return filled(t, bucket, nil)
}

// The driver takes about 700 bytes for each object of a directory before it returns the first.
func TestLargeDirectoryTakesTheMemoryOfItsNames(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 30,000 files")
	}
	const n = 30_000
	bucket := crowded(t, n)
	live := func() uint64 {
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		return mem.HeapAlloc
	}
	before, i := live(), 0
	for _, err := range After(t.Context(), bucket, "", "") {
		require.NoError(t, err)
		if i++; i == n/2 {
			require.Less(t, max(live(), before)-before, uint64(n*100))
		}
	}
	require.Equal(t, n, i)
}

// The file system finds files under these paths, but no key has them as a prefix.
func TestAFolderHasNoKeysThatOnlyPathsHave(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	filled(t, bucket, []string{"a/b", "x"})
	for _, prefix := range []string{"/", "./", ".", "//", "a/./", "a//", "./a/", "/a/", "a/../", "x/"} {
		require.Empty(t, keysOf(t, After(t.Context(), bucket, prefix, "")), prefix)
	}
}
