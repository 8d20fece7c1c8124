package gate

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// one is the load of a single item.
var one = Load{Units: 1, Items: 1}

// crew runs workers that call do for each work they get.
type crew struct {
	gate    *Gate[int]
	started atomic.Int64
	do      func(w int)
}

func newCrew(limit int, config Config, do func(w int)) *crew {
	c := &crew{do: do}
	config.Start = func() { c.started.Add(1); go c.work() }
	if config.Room == nil {
		config.Room = func(int) int { return 4 }
	}
	if config.Crowded == nil {
		config.Crowded = func(int, Load) bool { return false }
	}
	if config.WorthWaking == nil {
		config.WorthWaking = func(int) bool { return true }
	}
	c.gate = New[int](limit, config)
	return c
}

func (c *crew) work() {
	wake := make(chan struct{}, 1)
	w, _, ok := c.gate.Next(false, false, wake)
	for ok {
		c.do(w)
		w, _, ok = c.gate.Next(true, true, wake)
	}
}

// finish closes the gate and waits for its workers.
func (c *crew) finish() {
	c.gate.Close()
	<-c.gate.Finished()
	synctest.Wait()
}

func TestTheLimitHoldsWhileItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var active, most atomic.Int64
		c := newCrew(4, Config{}, func(int) {
			most.Store(max(most.Load(), active.Add(1)))
			time.Sleep(time.Second)
			active.Add(-1)
		})
		for i := range 40 {
			require.True(t, c.gate.Offer(i, one))
			if i == 20 {
				c.gate.SetLimit(2)
				time.Sleep(2 * time.Second) // those above the new limit return
				require.LessOrEqual(t, active.Load(), int64(2))
				require.EqualValues(t, 4, most.Swap(0))
			}
		}
		c.finish()
		require.EqualValues(t, 2, most.Load())
		require.Equal(t, State{Limit: 2, Slots: 2}, c.gate.State())
	})
}

func TestOfferBlocksWhileTheReadyQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(1, Config{Room: func(int) int { return 2 }}, func(int) { time.Sleep(time.Second) })
		began := time.Now()
		for i := range 3 { // one runs, two lie ready
			require.True(t, c.gate.Offer(i, one))
			synctest.Wait()
		}
		require.Zero(t, time.Since(began))
		require.False(t, c.gate.TryOffer(3, one))
		require.True(t, c.gate.Offer(3, one))
		require.Equal(t, time.Second, time.Since(began), "half of the queue must be empty first")
		c.finish()
	})
}

func TestBytesFillTheReadyQueueToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(1, Config{Room: func(int) int { return 100 }}, func(int) { time.Sleep(time.Second) })
		require.True(t, c.gate.Offer(0, Load{1, 1, readyBytes}))
		synctest.Wait()
		require.True(t, c.gate.TryOffer(1, Load{1, 1, readyBytes}), "an empty queue takes work of any size")
		require.False(t, c.gate.TryOffer(2, Load{1, 1, 1}))
		c.finish()
	})
}

func TestARetryWaitsWithoutASlotAndComesBackOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var c *crew
		var at []time.Duration
		c = newCrew(1, Config{}, func(w int) { at = append(at, time.Since(began)) })
		wake := make(chan struct{}, 1)
		require.True(t, c.gate.Offer(7, one))
		synctest.Wait()
		c.gate.Later(8, one, 3*time.Second)
		require.Equal(t, 1, c.gate.State().Waiting.Items)
		require.True(t, c.gate.Offer(9, one)) // runs meanwhile
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0, 3 * time.Second}, at)
		c.gate.Stop()
		_, _, ok := c.gate.Next(false, false, wake)
		require.False(t, ok)
		synctest.Wait()
	})
}

func TestRetriesAtTheirBoundHoldBackFreshWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int64
		c := newCrew(1, Config{Crowded: func(limit int, waiting Load) bool { return waiting.Items >= 4*limit }}, func(int) { ran.Add(1) })
		for i := range 4 {
			require.Equal(t, i == 3, c.gate.Later(0, one, time.Minute))
		}
		require.True(t, c.gate.Offer(1, one))
		synctest.Wait()
		require.Zero(t, ran.Load(), "the retries are at their bound")
		require.Equal(t, State{Waiting: Load{Units: 4, Items: 4}, Queued: 1, Limit: 1, Slots: 1, Crowded: true}, c.gate.State())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 5, ran.Load())
		require.False(t, c.gate.State().Crowded)
		c.gate.Stop()
		synctest.Wait()
	})
}

func TestPauseAdmitsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int64
		c := newCrew(2, Config{}, func(int) { ran.Add(1) })
		c.gate.SetPaused(true)
		require.True(t, c.gate.Yield(Grant{}))
		require.True(t, c.gate.Offer(0, one))
		synctest.Wait()
		require.Zero(t, ran.Load())
		c.gate.SetPaused(false)
		require.False(t, c.gate.Yield(Grant{}))
		c.finish()
		require.EqualValues(t, 1, ran.Load())
	})
}

func TestStopReleasesReadersAndWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(1, Config{Room: func(int) int { return 1 }}, func(int) { time.Sleep(time.Second) })
		for i := range 2 {
			require.True(t, c.gate.Offer(i, one))
			synctest.Wait()
		}
		refused := make(chan bool)
		go func() { refused <- c.gate.Offer(2, one) }()
		synctest.Wait()
		c.gate.Stop()
		require.False(t, <-refused)
		require.False(t, c.gate.Offer(3, one))
		time.Sleep(time.Second)
		synctest.Wait() // goleak sees a worker that stays
	})
}

func TestWorkNotWorthAnotherWorkerWaitsForTheRunningOneButNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(4, Config{WorthWaking: func(int) bool { return false }}, func(int) { time.Sleep(time.Second) })
		require.True(t, c.gate.Offer(0, one))
		synctest.Wait() // the first worker is active
		require.True(t, c.gate.Offer(1, one))
		synctest.Wait()
		require.EqualValues(t, 1, c.started.Load())
		time.Sleep(dozeTime)
		synctest.Wait()
		require.EqualValues(t, 2, c.started.Load())
		c.finish()
	})
}

func TestWorkGivenBackGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		c := newCrew(1, Config{}, func(w int) { order = append(order, w) })
		c.gate.SetPaused(true)
		require.True(t, c.gate.Offer(1, one))
		require.True(t, c.gate.Offer(2, one))
		c.gate.GiveBackPart(3, one)
		c.gate.SetPaused(false)
		synctest.Wait()
		require.Equal(t, []int{3, 1, 2}, order)
		c.gate.Stop()
		synctest.Wait()
	})
}
