//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hostlock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/hostlock"
)

func TestOneFileHoldsTheLockUntilItIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	open := func() *os.File {
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	first, second := open(), open()
	require.NoError(t, hostlock.Hold(first))
	require.ErrorIs(t, hostlock.Hold(second), hostlock.ErrHeld)
	require.NoError(t, first.Close())
	require.NoError(t, hostlock.Hold(second))
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

func TestSymbolicLinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "gate")))
	_, err := hostlock.Enter(t.Context(), filepath.Join(dir, "gate"))
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(dir, "elsewhere"))
}
