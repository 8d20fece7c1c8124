package dmap

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/guard"
)

// asked is an error whose Error does what f does.
type asked struct{ f func() }

func (e asked) Error() string { e.f(); return "asked" }

// ofUser is an error of a type that is not one of dmap, as asked is.
func ofUser(f func()) error { return struct{ error }{asked{f}} }

func TestOneErrorAtATimeIsAskedForItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		texts := make(longTexts, 1)
		var now, times atomic.Int32
		err := ofUser(func() {
			require.EqualValues(t, 1, now.Add(1))
			time.Sleep(time.Second)
			now.Add(-1)
			times.Add(1)
		})
		var all sync.WaitGroup
		for range 20 { // in all longer than the guard waits for one
			all.Go(func() { _ = texts.kept(err) })
		}
		all.Wait()
		require.EqualValues(t, 20, times.Load())
		require.Empty(t, texts)
	})
}

func TestAnErrorThatDoesNotReturnKeepsTheTurnForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		texts, release := make(longTexts, 1), make(chan struct{})
		began := time.Now()
		for _, f := range []func(){func() { <-release }, runtime.Goexit, func() { panic("boom") }} {
			require.NotEqual(t, "*dmap.longError", fmt.Sprintf("%T", texts.kept(ofUser(f))))
			require.Empty(t, texts)
		}
		require.Equal(t, guard.Patience, time.Since(began))
		texts <- struct{}{} // the turn of another one
		close(release)
		synctest.Wait()
		require.Len(t, texts, 1, "an error that returns too late does not end it")
	})
}
