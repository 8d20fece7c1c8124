//go:build unix

package publish_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/hostlock"
	"github.com/go-dmap/dmap/internal/publish"
)

func TestLocalPathIsThatOfTheObject(t *testing.T) {
	dir := t.TempDir()
	inner := folder(t, dir)
	for _, key := range []string{"k", "a/b/c.json", "a b", "x:y", "t\tt", "é", "a//b", "../up", "dot."} {
		_ = inner.WriteAll(t.Context(), key, []byte("{}"), nil)
		for _, bucket := range []*blob.Bucket{inner, dmaptest.NewFaultBucket(t, inner).Bucket} {
			path, ok, err := publish.LocalPath(t.Context(), bucket, key)
			require.NoError(t, err)
			require.True(t, ok)
			if there, _ := inner.Exists(t.Context(), key); there {
				require.FileExists(t, path, key)
			}
		}
	}
	path, ok, err := publish.LocalPath(t.Context(), blob.PrefixedBucket(inner, "a/"), "b/c.json")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, filepath.Join(dir, "a", "b", "c.json"), path)
	_, ok, err = publish.LocalPath(t.Context(), faulty(t).Bucket, "k")
	require.NoError(t, err)
	require.False(t, ok)
}

// The folder of a new object gets the mode that the bucket gives to folders.
func TestALockMakesFoldersAsTheBucketDoes(t *testing.T) {
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	require.NoError(t, err)
	defer bucket.Close()
	leave, err := publish.LockFolder(t.Context(), bucket, "out/r/run.json", "run.lock")
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "out", "r"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	require.FileExists(t, filepath.Join(dir, "out", "r", "run.lock"))
	missing(t, bucket, "out/r/run.json")
	leave()
	entries, err := os.ReadDir(filepath.Join(dir, "out", "r"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestAWriterOfAFolderWaitsForAnotherAndForItsContext(t *testing.T) {
	dir := t.TempDir()
	bucket := folder(t, dir)
	leave, err := hostlock.Try(filepath.Join(dir, "k.lock"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	err = publish.Create(ctx, bucket, "k", text, []byte("x"))
	require.ErrorIs(t, err, why)
	missing(t, bucket, "k")
	time.AfterFunc(20*time.Millisecond, leave)
	require.NoError(t, publish.Create(t.Context(), bucket, "k", text, []byte("x")))
	require.NoFileExists(t, filepath.Join(dir, "k.lock"))
}

const racerEnv = "PUBLISH_RACER"

// Processes create the same objects of a folder at the same time, and one is killed meanwhile.
// Each object has one creator, who alone hears of it, and stays as it was created.
func TestOneOfManyProcessesCreatesAnObjectOfAFolder(t *testing.T) {
	if dir := os.Getenv(racerEnv); dir != "" {
		raceForObjects(t, dir)
		return
	}
	dir := t.TempDir()
	const racers = 3
	var children []*exec.Cmd
	var printed atomic.Int64
	killAfter := 1 + rand.Int64N(300) // of the 400 lines that the racers print together
	won := make(chan string, racers)
	for n := range racers {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), racerEnv+"="+dir, fmt.Sprintf("RACER=%d", n))
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		children = append(children, child)
		first := children[0]
		go func() {
			var lines strings.Builder
			for scan := bufio.NewScanner(out); scan.Scan(); {
				lines.WriteString(scan.Text() + "\n")
				if printed.Add(1) == killAfter {
					_ = first.Process.Kill()
				}
			}
			won <- lines.String()
		}()
	}
	start := time.Now().Add(200 * time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "start.tmp"), []byte(start.Format(time.RFC3339Nano)), 0o600))
	require.NoError(t, os.Rename(filepath.Join(dir, "start.tmp"), filepath.Join(dir, "start")))
	creators := map[string]string{}
	for range racers {
		for line := range strings.Lines(<-won) {
			if key, racer, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(key, "k-") {
				require.Empty(t, creators[key], "%s was created twice", key)
				creators[key] = racer
			}
		}
	}
	for _, child := range children {
		_ = child.Wait()
	}
	require.GreaterOrEqual(t, printed.Load(), killAfter, "the first racer was killed")
	for key, racer := range creators {
		content, err := os.ReadFile(filepath.Join(dir, key))
		require.NoError(t, err)
		require.Equal(t, racer, string(content), key)
	}
}

// raceForObjects creates objects that other processes create too, and prints those it created.
func raceForObjects(t *testing.T, dir string) {
	// The driver writes the attributes between its look and its rename: time for another to win.
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
	require.NoError(t, err)
	defer bucket.Close()
	var start time.Time
	for start.IsZero() {
		content, _ := os.ReadFile(filepath.Join(dir, "start"))
		_ = start.UnmarshalText(content)
	}
	for n := range 400 {
		key := fmt.Sprintf("k-%d", n)
		for due := start.Add(time.Duration(n) * time.Millisecond); time.Now().Before(due); { // all at once
		}
		switch err := publish.Create(t.Context(), bucket, key, text, []byte(os.Getenv("RACER"))); {
		case err == nil:
			fmt.Println(key, os.Getenv("RACER"))
		case !errors.Is(err, publish.ErrExists):
			t.Error(err)
		}
	}
}

func TestWhatIsNoFileIsNeitherReadNorReplaced(t *testing.T) {
	dir := t.TempDir()
	bucket := folder(t, dir)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "k"), 0o666))
	require.ErrorIs(t, publish.Create(t.Context(), bucket, "k", text, []byte("x")), hostlock.ErrIrregular)
	_, err := publish.Read(t.Context(), bucket, "k", 10)
	require.ErrorIs(t, err, hostlock.ErrIrregular)
	require.ErrorContains(t, err, filepath.Join(dir, "k"))
	_, err = publish.ReadRange(t.Context(), bucket, "k", 0, 1)
	require.ErrorIs(t, err, hostlock.ErrIrregular)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink("there", filepath.Join(dir, "link")))
	content, err := publish.Read(t.Context(), bucket, "link", 10)
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
}

// fileblob opens the file of attributes with its object, also to list it.
func TestAFolderWithASpecialFileOfAttributesIsNeitherReadNorListed(t *testing.T) {
	dir := t.TempDir()
	bucket := folder(t, dir)
	require.NoError(t, publish.Create(t.Context(), bucket, "in/k", text, []byte("x")))
	_ = os.Remove(filepath.Join(dir, "in", "k.attrs"))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "in", "k.attrs"), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := publish.Exists(ctx, bucket, "in/k")
	require.ErrorIs(t, err, hostlock.ErrIrregular)
	_, err = publish.Read(ctx, bucket, "in/k", 10)
	require.ErrorIs(t, err, hostlock.ErrIrregular)
	_, _, err = publish.Page(ctx, bucket, "in/", blob.FirstPageToken)
	require.ErrorIs(t, err, hostlock.ErrIrregular)
	require.ErrorContains(t, err, filepath.Join(dir, "in", "k.attrs"))
	page, _, err := publish.Page(ctx, bucket, "none/", blob.FirstPageToken)
	require.NoError(t, err)
	require.Empty(t, page)
}

// The driver would write the attributes through a link.
func TestALinkInThePlaceOfAFileOfAttributesIsRefused(t *testing.T) {
	dir := t.TempDir()
	bucket := folder(t, dir)
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(victim, filepath.Join(dir, "k.attrs")))
	require.ErrorIs(t, publish.Create(t.Context(), bucket, "k", text, []byte("x")), hostlock.ErrIrregular)
	content, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
}

func TestWithoutATemporaryFolderAnObjectIsCreatedOnce(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	dir := t.TempDir()
	bucket, err := fileblob.OpenBucket(dir, nil)
	require.NoError(t, err)
	defer bucket.Close()
	require.NoError(t, publish.Claim(t.Context(), bucket, "in/k", text, []byte("one")))
	require.ErrorIs(t, publish.Create(t.Context(), bucket, "in/k", text, []byte("two")), publish.ErrExists)
	require.NoError(t, publish.Create(t.Context(), bucket, "in/k", text, []byte("one")), "the same content")
	content, err := os.ReadFile(filepath.Join(dir, "in", "k"))
	require.NoError(t, err)
	require.Equal(t, "one", string(content))
}

// A preflight that ends removes the folders that it has made, if they are empty.
func TestAFolderThatVanishesBeforeItsFirstFileIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	bucket := folder(t, dir)
	for i := range 300 {
		var remover sync.WaitGroup
		remover.Go(func() {
			for range 10 * i {
				runtime.Gosched()
			}
			_ = os.Remove(filepath.Join(dir, "in")) // it fails once a file is in it
		})
		var leave func()
		var err error
		if i%2 == 0 {
			err, leave = publish.Create(t.Context(), bucket, "in/k", text, []byte("one")), func() {}
		} else {
			leave, err = publish.LockFolder(t.Context(), bucket, "in/k", "run.lock")
		}
		remover.Wait()
		require.NoError(t, err)
		leave()
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "in")))
	}
}
