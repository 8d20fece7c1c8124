package progress

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// steered is a run that remembers its changes.
type steered struct {
	steady
	stats dmap.Stats
	err   error
}

func (s *steered) Stats() dmap.Stats { return s.stats }
func (s *steered) Pause()            { s.stats.Paused = true }
func (s *steered) Resume()           { s.stats.Paused = false }
func (s *steered) SetMaxConcurrency(n int) error {
	if s.err == nil {
		s.stats.Limit = n
	}
	return s.err
}

func TestKeysSteerTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		key    byte
		limit  int
		want   int
		paused bool
		say    string
	}{
		"more":                {'+', 100, 110, false, "at most 110 calls at once"},
		"more, without shift": {'=', 5, 6, false, "at most 6 calls at once"},
		"fewer":               {'-', 100, 90, false, "at most 90 calls at once"},
		"not less than one":   {'-', 1, 1, false, "at most 1 call at once"},
		"not too many":        {'+', 9_999, 10_000, false, "at most 10,000 calls at once"},
		"pause":               {' ', 5, 5, true, "paused: calls in flight return, no other starts"},
		"any other key":       {'x', 5, 5, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &steered{stats: dmap.Stats{Limit: c.limit}}
			require.Equal(t, c.say, steer(r, c.key))
			require.Equal(t, c.want, r.stats.Limit)
			require.Equal(t, c.paused, r.stats.Paused)
		})
	}
	r := &steered{stats: dmap.Stats{Paused: true}}
	require.Equal(t, "resumed", steer(r, ' '))
	require.False(t, r.stats.Paused)
	require.Equal(t, "no", steer(&steered{err: errors.New("no")}, '+'))
}

// typed is a keyboard on which a test types.
func typed(d *Display) (keys chan<- byte) {
	pressed := make(chan byte)
	d.keys = func() *keyboard {
		k := &keyboard{pressed: pressed, stop: make(chan struct{}), done: make(chan struct{})}
		close(k.done)
		return k
	}
	return pressed
}

// The lines name no keys that are not read: after Ctrl-C, and while the process is in the
// background of its terminal. They are read again when it comes back.
func TestKeysThatAreNotReadAreNotNamed(t *testing.T) {
	for name, background := range map[string]bool{"Ctrl-C": false, "Ctrl-Z and bg": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := onScreen(150, Options{})
				var opened []*keyboard
				var away atomic.Bool
				d.keys = func() *keyboard {
					if away.Load() {
						return nil
					}
					k := &keyboard{pressed: make(chan byte), stop: make(chan struct{}), lost: make(chan struct{}), done: make(chan struct{})}
					close(k.done)
					opened = append(opened, k)
					return k
				}
				run, err := failing(t.Context(), d.Observer(), nil)
				require.NoError(t, err)
				named := func() bool {
					time.Sleep(time.Second)
					synctest.Wait()
					all := s.lines()
					return strings.Contains(all[len(all)-1], "keys: space")
				}
				require.True(t, named())
				away.Store(true)
				opened[0].background = background
				close(opened[0].lost)
				require.False(t, named())
				away.Store(false)
				require.Equal(t, background, named())
				if background {
					require.Len(t, opened, 2)
					opened[1].pressed <- ' '
					synctest.Wait()
					require.True(t, run.Stats().Paused)
				}
				run.Cancel(nil)
				_, err = run.Wait()
				require.Error(t, err)
			})
		})
	}
}

func TestKeysOfATerminalPauseResizeAndDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := onScreen(150, Options{})
		keys := typed(d)
		run, err := failing(t.Context(), d.Observer(), nil)
		require.NoError(t, err)
		last := func() string {
			synctest.Wait()
			all := s.lines()
			return all[len(all)-1]
		}
		time.Sleep(time.Second)
		require.Regexp(t, `^No commit yet: .*  keys: space pause, \+ - calls, q drain$`, last())
		keys <- ' '
		require.Equal(t, "paused: calls in flight return, no other starts", last())
		require.True(t, run.Stats().Paused)
		require.Regexp(t, "^Paused: no call starts", s.lines()[0])
		keys <- ' '
		require.Equal(t, "resumed", last())
		require.False(t, run.Stats().Paused)
		keys <- '+'
		require.Equal(t, "at most 6 calls at once", last())
		require.Equal(t, 6, run.Stats().Limit)
		keys <- 'q'
		require.Contains(t, last(), "press q again")
		time.Sleep(6 * time.Second)
		require.Regexp(t, `  keys: space pause, \+ - calls, q drain$`, last(), "one q alone is forgotten")
		keys <- 'q'
		keys <- '-'
		keys <- 'q'
		require.Contains(t, last(), "press q again", "another key in between")
		require.Equal(t, dmap.StateRunning, run.Stats().State)
		keys <- 'q'
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.Contains(t, strings.Join(s.lines(), "\n"), "suspended")
	})
}
