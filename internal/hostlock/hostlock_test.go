//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hostlock_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/hostlock"
)

func TestOneHoldsALockUntilItLeaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	leave, err := hostlock.Try(path)
	require.NoError(t, err)
	_, err = hostlock.Try(path)
	require.ErrorIs(t, err, hostlock.ErrHeld)
	require.ErrorContains(t, err, path)
	leave()
	require.NoFileExists(t, path)
	again, err := hostlock.Try(path)
	require.NoError(t, err)
	leave() // once more: it must not remove the file of the next holder
	require.FileExists(t, path)
	again()
	require.NoFileExists(t, path)
}

func TestAHolderWhoseFileWasRemovedLeavesTheFileOfTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	leave, err := hostlock.Try(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	next, err := hostlock.Try(path)
	require.NoError(t, err)
	leave()
	require.FileExists(t, path)
	_, err = hostlock.Try(path)
	require.ErrorIs(t, err, hostlock.ErrHeld)
	next()
}

// The mode keeps those from the lock who may not write to the folder, and no others.
func TestWhoMayWriteToTheFolderMayHoldItsLock(t *testing.T) {
	for folder, want := range map[os.FileMode]os.FileMode{0o755: 0o600, 0o775: 0o660, 0o777: 0o666, 0o700: 0o600} {
		dir := filepath.Join(t.TempDir(), "folder")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(dir, folder))
		path := filepath.Join(dir, "lock")
		leave, err := hostlock.Try(path)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&^want, "%v in %v", info.Mode(), folder)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm()&0o700)
		leave()
	}
}

// A process that was killed leaves its file, and the kernel frees its lock.
func TestTheLockOfAKilledProcessIsFree(t *testing.T) {
	if path := os.Getenv("HOSTLOCK_HOLD"); path != "" {
		if _, err := hostlock.Try(path); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("held\n")
		time.Sleep(time.Hour)
	}
	path := filepath.Join(t.TempDir(), "lock")
	holder := exec.Command(os.Args[0], "-test.run=^TestTheLockOfAKilledProcessIsFree$")
	holder.Env = append(os.Environ(), "HOSTLOCK_HOLD="+path)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	_, err = hostlock.Try(path)
	require.ErrorIs(t, err, hostlock.ErrHeld)
	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait()
	require.FileExists(t, path)
	leave, err := hostlock.Try(path)
	require.NoError(t, err)
	leave()
}

func TestOneAtATimeEnters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate")
	var inside atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				leave, err := hostlock.Enter(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d are inside", n)
				}
				inside.Add(-1)
				leave()
			}
		})
	}
	wg.Wait()
	require.NoFileExists(t, path)
}

func TestWaitingForALockEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate")
	leave, err := hostlock.Enter(t.Context(), path)
	require.NoError(t, err)
	defer leave()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	cancel(why)
	_, err = hostlock.Enter(ctx, path)
	require.ErrorIs(t, err, why)
	require.ErrorContains(t, err, path)
}

func TestEnterGivesUpAfterAMinute(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate")
	leave, err := hostlock.Enter(t.Context(), path)
	require.NoError(t, err)
	defer leave()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := hostlock.Enter(t.Context(), path)
		require.ErrorIs(t, err, hostlock.ErrHeld)
		require.ErrorContains(t, err, path)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestOnlyARegularFileIsALock(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a folder":        func(path string) error { return os.Mkdir(path, 0o777) },
		"a symbolic link": func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "elsewhere"), path) },
		"a socket": func(path string) error {
			listener, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { _ = listener.Close() })
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "lock") //nolint:usetesting // the path of a socket has at most 108 bytes
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			path := filepath.Join(dir, "lock")
			require.NoError(t, make(path))
			_, err = hostlock.Enter(t.Context(), path)
			require.ErrorIs(t, err, hostlock.ErrIrregular)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, name)
			require.ErrorContains(t, err, "remove it")
			require.NoFileExists(t, filepath.Join(dir, "elsewhere"))
		})
	}
}

func TestALockFileOfAnotherUserIsAnError(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	path := filepath.Join(t.TempDir(), "lock")
	require.NoError(t, os.WriteFile(path, nil, 0))
	_, err := hostlock.Enter(t.Context(), path)
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "remove it, or run as its owner")
}

// asNobody runs the test once more without the rights of root, who may open every file.
func asNobody(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	dir, err := os.MkdirTemp("/tmp", "nobody") //nolint:usetesting // every user may enter /tmp
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	moved := filepath.Join(dir, "program")
	require.NoError(t, os.Rename(program, moved))
	again := exec.Command(moved, "-test.run=^"+t.Name()+"$", "-test.v")
	again.Dir = dir
	again.Env = append(os.Environ(), "TMPDIR="+dir)
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := again.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "PASS: "+t.Name())
}
