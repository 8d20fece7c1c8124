package gate

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The heap yields what a sorted list does: the earliest first, of the same time the one that came
// first, with the sum of the loads.
func TestRetriesLeaveInTheOrderOfTheirTimes(t *testing.T) {
	epoch := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		type waiting struct {
			work int
			due  time.Time
			load Load
		}
		var r retries[int]
		var model []waiting
		var load Load
		for step := range rapid.IntRange(0, 200).Draw(t, "steps") {
			if len(model) > 0 && rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				due, ok := r.first()
				require.True(t, ok)
				require.Equal(t, model[0].due, due)
				require.Equal(t, model[0].work, r.pop())
				load.remove(model[0].load)
				model = model[1:]
			} else {
				w := waiting{step, epoch.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "due"))), Load{1, rapid.IntRange(1, 400).Draw(t, "items"), 7}}
				r.push(w.work, w.load, w.due)
				load.add(w.load)
				model = append(model, w)
				slices.SortStableFunc(model, func(a, b waiting) int { return a.due.Compare(b.due) })
			}
			require.Equal(t, load, r.load)
		}
		for _, w := range model {
			require.Equal(t, w.work, r.pop())
		}
		_, ok := r.first()
		require.False(t, ok)
		require.Nil(t, r.heap, "a burst leaves no memory")
	})
}

func TestAnEarlierRetryMovesTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		at := map[int]time.Duration{}
		c := newCrew(1, Config{}, func(w int) { at[w] = time.Since(began) })
		for w, wait := range []int{9, 3, 6, 0, -1, 3} {
			c.gate.Later(w, one, time.Duration(wait)*time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, map[int]time.Duration{0: 9 * time.Second, 1: 3 * time.Second, 2: 6 * time.Second, 3: 0, 4: 0, 5: 3 * time.Second}, at)
		c.finish()
	})
}

// The retries that are due while all slots are taken, or while the gate is paused, start later
// without an alarm.
func TestRetriesThatAreDueWaitForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		c := newCrew(1, Config{}, func(w int) {
			order = append(order, w)
			time.Sleep(10 * time.Second)
		})
		require.True(t, c.gate.Offer(0, one))
		synctest.Wait()
		for w := 1; w <= 3; w++ {
			c.gate.Later(w, one, time.Duration(w)*time.Second)
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, order)
		c.gate.SetPaused(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, order)
		require.Equal(t, State{Waiting: one, Limit: 1, Slots: 1, Paused: true}, c.gate.State())
		c.gate.SetPaused(false)
		c.finish()
		require.Equal(t, []int{0, 1, 2, 3}, order)
	})
}

func BenchmarkLater(b *testing.B) {
	var r retries[int]
	now := time.Now()
	for i := range 100_000 {
		r.push(i, one, now.Add(time.Duration(i*7919%100_000)))
	}
	b.ReportAllocs()
	for i := range b.N {
		r.push(i, one, now.Add(time.Duration(i*7919%100_000)))
		r.pop()
	}
}
