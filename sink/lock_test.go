//go:build unix

package sink_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/hostlock"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

// folderIn opens a folder as a bucket, as the README does.
func folderIn(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

// soon returns a context for a call that must not wait.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestARunNeedsNoTemporaryFolder(t *testing.T) {
	for name, temp := range map[string]func(t *testing.T) string{
		"missing":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "missing") },
		"no folder": func(t *testing.T) string { return fileAt(t, filepath.Join(t.TempDir(), "file")) },
		"read-only": func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "read-only")
			require.NoError(t, os.Mkdir(dir, 0o500))
			return dir
		},
		"its lock is held": func(t *testing.T) string { // that of earlier versions
			dir := t.TempDir()
			leave, err := hostlock.Try(filepath.Join(dir, "dmap-"+strconv.Itoa(os.Getuid())+".lock"))
			require.NoError(t, err)
			t.Cleanup(leave)
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", temp(t))
			for _, options := range []fileblob.Options{{NoTempDir: true}, {}, {Metadata: fileblob.MetadataDontWrite}} {
				dir := t.TempDir()
				bucket, err := fileblob.OpenBucket(dir, &options)
				require.NoError(t, err)
				defer bucket.Close()
				var calls atomic.Int64
				_, err = job(soon(t), bucket, 20, &calls)
				require.NoError(t, err)
				exact(t, bucket, 20)
				_, err = job(soon(t), bucket, 20, &calls) // the stored end
				require.NoError(t, err)
				require.EqualValues(t, 20, calls.Load())
				left, err := filepath.Glob(filepath.Join(dir, "out", "*", "*.tmp"))
				require.NoError(t, err)
				require.Empty(t, left)
			}
		})
	}
}

func fileAt(t *testing.T, path string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
	return path
}

// A run that hangs in a call holds its own lock, and no other.
func TestARunThatHangsBlocksNoOtherRun(t *testing.T) {
	bucket := folderIn(t, t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	hangs := make(chan struct{})
	ended := make(chan error)
	go func() {
		_, err := dmap.Map(ctx, upTo(1), func(ctx context.Context, _ int) (int, error) {
			close(hangs)
			<-ctx.Done()
			return 0, ctx.Err()
		}, dmap.Options{RunID: "hangs"}, sink.Bucket[int](bucket, "out"))
		ended <- err
	}()
	<-hangs
	var calls atomic.Int64
	_, err := job(soon(t), bucket, 20, &calls) // the run "r"
	require.NoError(t, err)
	_, err = dmap.Map(soon(t), upTo(1), func(context.Context, int) (int, error) {
		t.Error("a second process works on the run")
		return 0, nil
	}, dmap.Options{RunID: "hangs"}, sink.Bucket[int](bucket, "out"))
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.ErrorContains(t, err, "run.lock")
	cancel(errors.New("stop"))
	require.Error(t, <-ended)
}

// special are the things that are no regular files.
var special = map[string]func(path string) error{
	"FIFO":     func(path string) error { return syscall.Mkfifo(path, 0o666) },
	"folder":   func(path string) error { return os.Mkdir(path, 0o777) },
	"symbolic": func(path string) error { return os.Symlink("/dev/zero", path) },
	"dangling": func(path string) error { return os.Symlink("nowhere", path) },
}

func TestARunRefusesWhatIsNoFileWhereItsFilesBelong(t *testing.T) {
	for kind, put := range special {
		for _, name := range []string{"run.json", "run.lock", "run.json.lock", "run.json.attrs"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				dir := t.TempDir()
				bucket := folderIn(t, dir)
				path := filepath.Join(dir, "out", "r", name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
				require.NoError(t, put(path))
				var calls atomic.Int64
				_, err := job(soon(t), bucket, 20, &calls)
				require.ErrorIs(t, err, hostlock.ErrIrregular)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, path)
				require.ErrorContains(t, err, "remove it, or use another folder")
				require.Equal(t, 78, dmap.ExitCode(err))
				require.Zero(t, calls.Load())
				require.NoFileExists(t, filepath.Join(dir, "out", "r", "nowhere"))
				require.NoError(t, os.RemoveAll(path))
				_, err = job(soon(t), bucket, 20, &calls)
				require.NoError(t, err)
				exact(t, bucket, 20)
			})
		}
	}
}

// To open a FIFO waits for its other end, whoever reads it as which object of a run.
func TestReadersOfARunDoNotWaitForAFIFO(t *testing.T) {
	for _, name := range []string{"run.json", "manifest-000.json", "manifest-000.json.attrs"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bucket := folderIn(t, dir)
			var calls atomic.Int64
			_, err := job(t.Context(), bucket, 20, &calls)
			require.NoError(t, err)
			path := filepath.Join(dir, "out", "r", name)
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, syscall.Mkfifo(path, 0o666))
			_, err = job(soon(t), bucket, 20, &calls)
			require.ErrorIs(t, err, hostlock.ErrIrregular)
			require.ErrorContains(t, err, path)
			if name != "run.json" {
				_, err = results.Load(soon(t), bucket, "out", "r")
				require.ErrorIs(t, err, hostlock.ErrIrregular)
			}
			require.EqualValues(t, 20, calls.Load())
		})
	}
}

// fileblob has no option for the mode of files, so that of folders bounds it.
func TestFilesGetNoPermissionThatTheirFolderDoesNotGive(t *testing.T) {
	for _, options := range []fileblob.Options{{NoTempDir: true}, {}, {Metadata: fileblob.MetadataDontWrite}} {
		for folders, want := range map[os.FileMode]os.FileMode{0o700: 0o600, 0o750: 0o640, 0: 0o644} {
			options.DirFileMode = folders
			dir := t.TempDir()
			bucket, err := fileblob.OpenBucket(dir, &options)
			require.NoError(t, err)
			defer bucket.Close()
			_, err = dmap.Map(t.Context(), upTo(20), func(_ context.Context, n int) (int, error) {
				if n%2 == 0 {
					return 0, errors.New("even")
				}
				return n, nil
			}, dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Count: 20}}, sink.Bucket[int](bucket, "out"))
			require.NoError(t, err)
			files := 0
			require.NoError(t, filepath.WalkDir(filepath.Join(dir, "out"), func(path string, entry os.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := entry.Info()
				require.NoError(t, err)
				if !entry.IsDir() {
					files++
					require.Zero(t, info.Mode().Perm()&^want, "%v %s", info.Mode(), path)
				} else if folders != 0 {
					require.Equal(t, folders, info.Mode().Perm(), path)
				}
				return nil
			}))
			require.GreaterOrEqual(t, files, 5)
		}
	}
}

func TestFilesOfAnotherUserAreErrorsThatNameThem(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	for name, mode := range map[string]os.FileMode{"run.json": 0, "run.lock": 0, "run.json.lock": 0, "": 0o500} {
		dir := t.TempDir()
		bucket := folderIn(t, dir)
		folder := filepath.Join(dir, "out", "r")
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(folder, 0o777))
		if name != "" {
			fileAt(t, path)
		}
		require.NoError(t, os.Chmod(path, mode))
		var calls atomic.Int64
		_, err := job(soon(t), bucket, 20, &calls)
		require.ErrorContains(t, err, "permission denied", name)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "run as its owner")
		require.Zero(t, calls.Load())
		require.NoError(t, os.Chmod(path, 0o700))
	}
}

// The end of a run is read without its lock, which a read-only folder does not give.
func TestTheEndOfARunIsReadFromAReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	dir := t.TempDir()
	bucket := folderIn(t, dir)
	var calls atomic.Int64
	_, err := job(t.Context(), bucket, 20, &calls)
	require.NoError(t, err)
	folder := filepath.Join(dir, "out", "r")
	require.NoError(t, os.Chmod(folder, 0o500))
	stats, err := job(soon(t), bucket, 20, &calls)
	require.NoError(t, err)
	require.EqualValues(t, 20, stats.Read)
	require.EqualValues(t, 20, calls.Load())
	require.NoError(t, os.Chmod(folder, 0o700))
}

// asNobody runs the test once more without the rights of root, who may open every file.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "nobody") //nolint:usetesting // every user may enter /tmp
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, content, 0o755))
	again := exec.Command(program, "-test.run=^"+t.Name()+"$", "-test.v")
	again.Dir, again.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := again.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "PASS: "+t.Name())
}

// A process that dies while it holds the locks leaves their files and no lock.
func TestTheLocksOfAKilledProcessAreFree(t *testing.T) {
	if dir := os.Getenv("SINK_LOCK_HOLD"); dir != "" {
		_, err := dmap.Map(t.Context(), upTo(20), func(context.Context, int) (int, error) {
			_, _ = os.Stdout.WriteString("x")
			select {}
		}, dmap.Options{RunID: "r"}, sink.Bucket[int](folderIn(t, dir), "out"))
		t.Fatal(err)
	}
	dir := t.TempDir()
	bucket := folderIn(t, dir)
	holder := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	holder.Env = append(os.Environ(), "SINK_LOCK_HOLD="+dir)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	var calls atomic.Int64
	_, err = job(soon(t), bucket, 20, &calls)
	require.ErrorIs(t, err, dmap.ErrFenced)
	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait()
	require.FileExists(t, filepath.Join(dir, "out", "r", "run.lock"))
	_, err = job(soon(t), bucket, 20, &calls)
	require.NoError(t, err)
	exact(t, bucket, 20)
	require.NoFileExists(t, filepath.Join(dir, "out", "r", "run.lock"))
}

// A process that is stopped while it begins a run for others keeps the lock. The next attempt of
// the same host is not fenced by it: a later one gets the lock.
func TestAnEarlierAttemptToBeginMayHaveTheLock(t *testing.T) {
	bucket := folderIn(t, t.TempDir())
	begin := func(by lease.Starter) (*sink.Host[int], error) {
		h, _, err := sink.Bucket[int](bucket, "out").BeginShared(t.Context(), sharedSpec(), by, nil)
		return h, err
	}
	stopped, err := begin(lease.Starter{ID: "w", Attempt: 1})
	require.NoError(t, err)
	_, err = begin(lease.Starter{ID: "v", Attempt: 1})
	require.ErrorIs(t, err, dmap.ErrFenced)
	_, err = begin(lease.Starter{ID: "w", Attempt: 2})
	require.ErrorContains(t, err, "perhaps a stopped one")
	require.NotErrorIs(t, err, dmap.ErrFenced)
	require.NoError(t, stopped.Close())
	next, err := begin(lease.Starter{ID: "w", Attempt: 3})
	require.NoError(t, err)
	require.NoError(t, next.Close())
}
