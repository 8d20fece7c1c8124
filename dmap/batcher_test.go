package dmap

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
)

// A timer that fires late may enqueue the next chunk instead of its own. The timer of that chunk
// still runs when a third begins.
func TestALateTimerLeavesTheBatcherConsistent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := &batcher[int, int]{
			split:  &Split{},
			limits: func() batch.Limits { return batch.Limits{Items: 64, Wait: time.Second} },
			fresh:  new(recycler[int, int]).chunk,
			enqueue: func(c *chunk[int, int], _ bool) bool {
				sizes = append(sizes, len(c.items))
				return true
			},
		}
		require.True(t, b.add(&Item[int]{}))
		time.Sleep(time.Second - 1)
		b.due = time.Now()
		b.armed.Add(1)
		b.expire() // late, for an earlier chunk
		require.True(t, b.add(&Item[int]{}))
		require.True(t, b.flush(), "it must not wait for a timer that was armed again")
		require.Equal(t, []int{1, 1}, sizes)
	})
}
