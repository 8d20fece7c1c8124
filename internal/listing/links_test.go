//go:build unix

package listing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/internal/notice"
)

// noted lists the keys under prefix, and returns what the listing says in the log of its run.
func noted(t *testing.T, bucket *blob.Bucket, prefix string) (keys, notes []string, sizes map[string]int64) {
	t.Helper()
	ctx := notice.With(t.Context(), func(text string) { notes = append(notes, text) })
	sizes = map[string]int64{}
	for object, err := range After(ctx, bucket, prefix, "") {
		require.NoError(t, err)
		keys = append(keys, object.Key)
		sizes[object.Key] = object.Size
	}
	return keys, notes, sizes
}

func write(t *testing.T, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte("12345"), 0o600))
}

func link(t *testing.T, target string, path ...string) {
	t.Helper()
	require.NoError(t, os.Symlink(target, filepath.Join(path...)))
}

func openFolder(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

func TestALinkToTheFolderOfTheBucketIsFollowed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "real", "a")
	write(t, dir, "real", "in", "b")
	write(t, dir, "real", "in", "x__0x9__y")
	link(t, "real", dir, "bucket")
	link(t, "bucket", dir, "again")
	for _, name := range []string{"bucket", "again"} {
		bucket := openFolder(t, filepath.Join(dir, name))
		require.Equal(t, []string{"a", "in/b", "in/x\ty"}, keysOf(t, After(t.Context(), bucket, "", "")))
		require.Equal(t, []string{"in/b", "in/x\ty"}, keysOf(t, After(t.Context(), bucket, "in/", "")))
		inner, err := fileblob.OpenBucket(filepath.Join(dir, name), nil)
		require.NoError(t, err)
		prefixed := blob.PrefixedBucket(inner, "in/")
		require.Equal(t, []string{"b", "x\ty"}, keysOf(t, After(t.Context(), prefixed, "", "")))
		require.NoError(t, prefixed.Close())
	}
}

func TestLinksInAFolderAreFollowed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	write(t, dir, "data", "a")
	write(t, dir, "data", "in", "b")
	write(t, dir, "..", "outside", "c")
	link(t, "data/a", dir, "file")
	link(t, "data", dir, "latest")
	link(t, "../outside", dir, "out")
	link(t, filepath.Join(dir, "..", "outside", "c"), dir, "out-file")
	link(t, "latest/in", dir, "through")
	keys, notes, sizes := noted(t, openFolder(t, dir), "")
	require.Equal(t, []string{
		"data/a", "data/in/b", "file", "latest/a", "latest/in/b", "out-file", "out/c", "through/b",
	}, keys)
	for _, key := range keys {
		require.EqualValues(t, 5, sizes[key], "of the file, not of the link: %s", key)
	}
	require.Len(t, notes, 3)
	require.Contains(t, notes[0], "/latest")
	keys, _, _ = noted(t, openFolder(t, dir), "latest/")
	require.Equal(t, []string{"latest/a", "latest/in/b"}, keys)
	require.Equal(t, []string{"latest/in/b", "out-file", "out/c", "through/b"}, keysOf(t, After(t.Context(), openFolder(t, dir), "", "latest/a")))
}

func TestALinkThatLeadsNowhereIsAnObjectWithoutASize(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a")
	link(t, "nowhere", dir, "dangling")
	link(t, "itself", dir, "itself")
	link(t, "pong", dir, "ping")
	link(t, "ping", dir, "pong")
	link(t, "a/b", dir, "under-a-file")
	keys, _, sizes := noted(t, openFolder(t, dir), "")
	require.Equal(t, []string{"a", "dangling", "itself", "ping", "pong", "under-a-file"}, keys)
	for _, key := range keys[1:] {
		require.EqualValues(t, -1, sizes[key], key)
	}
}

func TestALinkToADirectoryAboveItIsLeftOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	write(t, dir, "a", "1")
	write(t, dir, "b", "2")
	link(t, ".", dir, "here")
	link(t, "..", dir, "a", "up")
	link(t, "../..", dir, "a", "out")
	link(t, "../a", dir, "b", "to-a")
	link(t, "../b", dir, "a", "to-b")
	link(t, "/", dir, "root")
	keys, notes, _ := noted(t, openFolder(t, dir), "")
	require.Equal(t, []string{"a/1", "a/to-b/2", "b/2", "b/to-a/1"}, keys)
	out := 0
	for _, note := range notes {
		if strings.Contains(note, "leaves out") {
			out++
			require.Contains(t, note, "folder that it lies in")
		}
	}
	require.Equal(t, 8, out, "%q", notes)
}

func TestSpecialFilesAreNoObjects(t *testing.T) {
	parent, err := os.MkdirTemp("", "special") //nolint:usetesting // the path of a socket has at most 108 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	dir := filepath.Join(parent, "b")
	write(t, dir, "in", "a")
	write(t, dir, "in", "z__0x9__")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "in", "pipe"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "in", "pipe__0x2f__"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(parent, "pipe"), 0o600))
	listener, err := net.Listen("unix", filepath.Join(dir, "in", "socket"))
	require.NoError(t, err)
	defer listener.Close()
	link(t, "/dev/null", dir, "in", "device")
	link(t, "pipe", dir, "in", "to-pipe")
	link(t, "../../pipe", dir, "in", "out")
	bucket := openFolder(t, dir)
	for _, prefix := range []string{"", "in/", "in"} {
		keys, notes, _ := noted(t, bucket, prefix)
		require.Equal(t, []string{"in/a", "in/z\t"}, keys)
		require.Len(t, notes, 6)
		slices.Sort(notes)
		require.Contains(t, notes[0], `in/device": it is a device`)
		require.Contains(t, notes[5], `in/to-pipe": it is a named pipe (FIFO)`)
	}
	keys, notes, _ := noted(t, bucket, "in/pipe/")
	require.Empty(t, keys)
	require.Len(t, notes, 1)
}

// fileblob opens the file of attributes together with the object.
func TestAnObjectWithASpecialSidecarIsNotKnownToBeReadable(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		write(t, dir, name)
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "b.attrs"), 0o600))
	link(t, "b.attrs", dir, "c.attrs")
	keys, _, sizes := noted(t, openFolder(t, dir), "")
	require.Equal(t, []string{"a", "b", "c"}, keys)
	require.Equal(t, map[string]int64{"a": 5, "b": -1, "c": -1}, sizes)
}

func TestADirectoryThatCannotBeReadIsAnError(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read every directory")
	}
	dir := t.TempDir()
	write(t, dir, "a", "1")
	write(t, dir, "b", "2")
	require.NoError(t, os.Chmod(filepath.Join(dir, "b"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "b"), 0o700) })
	err := firstError(After(t.Context(), openFolder(t, dir), "", ""))
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, filepath.Join(dir, "b"))
}

func firstError(objects func(func(*blob.ListObject, error) bool)) (failed error) {
	for _, err := range objects {
		if err != nil {
			failed = err
		}
	}
	return failed
}

func TestAFolderThatIsNotThereAnyMoreIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	write(t, dir, "a")
	bucket := openFolder(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	err := firstError(After(t.Context(), bucket, "", ""))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, dir)
}

// One directory is open at a time, and a listing that finds no descriptor waits for one.
func TestAListingThatRunsOutOfDescriptorsIsWholeOrFails(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for d := range 30 {
		for f := range 10 {
			key := fmt.Sprintf("d%03d/f%d", d, f)
			want = append(want, key)
			write(t, dir, key)
		}
	}
	bucket := openFolder(t, dir)
	release := useAllDescriptors(t)
	synctest.Test(t, func(t *testing.T) {
		err := firstError(After(t.Context(), bucket, "", ""))
		require.ErrorIs(t, err, syscall.EMFILE)
		require.ErrorContains(t, err, dir)
	})
	timer := time.AfterFunc(300*time.Millisecond, release)
	defer timer.Stop()
	require.Equal(t, want, keysOf(t, After(t.Context(), bucket, "", "")))

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "d003")))
	useAllDescriptors(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	require.ErrorIs(t, firstError(After(ctx, bucket, "", "")), why)
}

// useAllDescriptors leaves the process without a file descriptor until release is called.
func useAllDescriptors(t *testing.T) (release func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	limit := before
	limit.Cur = 128
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	var held []*os.File
	for {
		file, err := os.Open(os.DevNull)
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			break
		}
		held = append(held, file)
	}
	release = sync.OnceFunc(func() {
		for _, file := range held {
			_ = file.Close()
		}
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	})
	t.Cleanup(release)
	return release
}

func TestNamesThatShareKeysAreAnError(t *testing.T) {
	for _, names := range [][]string{{"a/b", "a__0x2f__b"}, {"x\ty", "x__0x9__y"}, {"../x", "..__0x2f__x"}} {
		dir := t.TempDir()
		for _, name := range names {
			if name == "../x" {
				name = "up../x"
			}
			write(t, dir, strings.Replace(name, "..__", "up..__", 1))
		}
		err := firstError(After(t.Context(), openFolder(t, dir), "", ""))
		require.ErrorContains(t, err, "have keys in common: rename one", names)
	}
}
