package dmap

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
)

// A timer that fires late may hand on the chunk after its own. The one of that chunk then still runs when the next begins.
func TestALateTimerLeavesTheBooksOfTheIntakeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		in := &intake[int, int]{
			split:  &Split{},
			limits: func() batch.Limits { return batch.Limits{Items: 64, Wait: time.Second} },
			fresh:  new(recycler[int, int]).chunk,
			hand: func(c *chunk[int, int], _ bool) bool {
				sizes = append(sizes, len(c.items))
				return true
			},
		}
		require.True(t, in.add(&Item[int]{}))
		time.Sleep(time.Second - 1)
		in.due = time.Now()
		in.armed.Add(1)
		in.expire() // the late one of an earlier chunk
		require.True(t, in.add(&Item[int]{}))
		require.True(t, in.flush(), "it must not wait for a timer that was set anew")
		require.Equal(t, []int{1, 1}, sizes)
	})
}
