package guard_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/guard"
)

// forked unwraps to two of itself.
type forked struct{}

func (forked) Error() string     { return "forked" }
func (e forked) Unwrap() []error { return []error{e, e} }

// grows unwraps to a new error each time.
type grows struct{ n int }

func (grows) Error() string   { return "grows" }
func (e grows) Unwrap() error { return grows{e.n + 1} }

// does is an error all of whose methods do f.
type does struct{ f func() }

func (e does) Error() string { e.f(); return "does" }
func (e does) Is(error) bool { e.f(); return true }
func (e does) As(any) bool   { e.f(); return false }
func (e does) Unwrap() error { e.f(); return nil }
func (e does) Class() string { e.f(); return "does" }

type wanted struct{ error }

func TestChainsWithoutAnEndHaveOne(t *testing.T) {
	target := errors.New("target")
	for name, err := range map[string]error{"cyclic": endless{}, "forked": forked{}, "growing": grows{}, "joined": errors.Join(endless{}, forked{})} {
		require.False(t, guard.Is(err, target), name)
		_, found := guard.As[*wanted](err)
		require.False(t, found, name)
		require.NotEmpty(t, guard.Text(err, 100), name)
	}
	found := fmt.Errorf("%w and %w", &own{}, fmt.Errorf("x: %w", &wanted{target}))
	require.False(t, guard.PlainError(found))
	require.True(t, guard.Is(errors.Join(&own{}, target), target))
	w, ok := guard.As[*wanted](found)
	require.True(t, ok)
	require.Equal(t, target, w.error)
	face, ok := guard.As[interface{ Class() string }](errors.Join(does{func() {}}))
	require.True(t, ok)
	require.Equal(t, "does", face.Class())
	require.False(t, guard.Is(nil, target))
	require.True(t, guard.Is(nil, nil))
	_, ok = guard.As[*wanted](nil)
	require.False(t, ok)
	require.Empty(t, guard.Text(nil, 100))
}

// nilFinder says that it has found an error, and leaves nil in its place.
type nilFinder struct{}

func (nilFinder) Error() string { return "nil finder" }
func (nilFinder) As(any) bool   { return true }

func TestANilPointerIsNoErrorOfItsType(t *testing.T) {
	last := &wanted{errors.New("last")}
	for name, err := range map[string]error{
		"pointer": (*wanted)(nil), "wrapped": fmt.Errorf("x: %w", error((*wanted)(nil))), "found by As": nilFinder{},
		"joined": errors.Join((*wanted)(nil), nilFinder{}),
	} {
		_, found := guard.As[*wanted](err)
		require.False(t, found, name)
		found = guard.AsTarget(err, new(interface{ Class() string }))
		require.False(t, found, name)
		next, found := guard.As[*wanted](errors.Join(err, last))
		require.True(t, found, name)
		require.Same(t, last, next, name)
	}
}

func TestMethodsThatDoNotReturnAreGivenUp(t *testing.T) {
	target := errors.New("target")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		for name, f := range map[string]func(){"panicked: boom": func() { panic("boom") }, "ended its goroutine": runtime.Goexit, "did not return within 10s": func() { <-release }} {
			err := errors.Join(does{f})
			began := time.Now()
			require.False(t, guard.Is(err, target), name)
			_, found := guard.As[*wanted](err)
			require.False(t, found, name)
			require.Contains(t, guard.Text(does{f}, 100), name)
			require.LessOrEqual(t, time.Since(began), 3*guard.Patience)
		}
		close(release)
		synctest.Wait()
	})
}

func TestShownErrorsKeepTheirChain(t *testing.T) {
	cause := &own{}
	shown := guard.Shown(fmt.Errorf("Get \"https://h/x?sig=s3cr3t\": %w", cause))
	require.NotContains(t, shown.Error(), "s3cr3t")
	require.ErrorIs(t, shown, cause)
	plain := errors.New("plain")
	require.Equal(t, plain, guard.Shown(plain), "as it is")
	require.LessOrEqual(t, len(guard.Shown(errors.New(strings.Repeat("x", 1<<20))).Error()), 8<<10)
	require.NoError(t, guard.Shown(nil))
}
