package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// calls counts the calls of each item, and the maximum number of concurrent calls.
type calls struct {
	of        []atomic.Int32
	now, peak atomic.Int32
	length    time.Duration
}

func (c *calls) do(_ context.Context, i int) error {
	c.of[i].Add(1)
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.peak.Load(); now > most && !c.peak.CompareAndSwap(most, now); most = c.peak.Load() {
	}
	time.Sleep(c.length)
	return nil
}

func TestEveryCaseCallsEveryItemOnceAndConcurrently(t *testing.T) {
	for kind, cases := range map[string]func(task) []benchCase{"singles": singles, "batches": batches} {
		for i, c := range cases(nothing) {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				const n, limit = 2000, 20
				seen := &calls{of: make([]atomic.Int32, n)}
				run := func(t *testing.T) {
					out, err := cases(seen.do)[i].run(t.Context(), workload{N: n, Concurrency: limit, Batch: 10, Scratch: t.TempDir()})
					require.NoError(t, err)
					require.Equal(t, int64(n), out.Succeeded)
				}
				if c.name == pondName { // its pools share goroutines, which cannot be in several synctest bubbles
					run(t)
				} else {
					seen.length = time.Millisecond
					synctest.Test(t, run)
				}
				for i := range seen.of {
					require.Equal(t, int32(1), seen.of[i].Load(), "item %d", i)
				}
				if c.name == loName {
					return
				}
				most := map[bool]int32{true: 1, false: limit}[c.name == serialName]
				require.LessOrEqual(t, seen.peak.Load(), most)
				if c.name != pondName && c.name != chunkedName { // chunks may be fewer than the limit
					require.Equal(t, most, seen.peak.Load())
				}
			})
		}
	}
}

func TestEveryPeerReturnsAnError(t *testing.T) {
	broken := errors.New("broken")
	for _, p := range peers[int]() {
		err := p.each(t.Context(), 4, []int{1, 2, 3, 4, 5}, func(_ context.Context, i int) error {
			if i == 3 {
				return broken
			}
			return nil
		})
		require.ErrorIs(t, err, broken, p.name)
	}
}

func TestTimesIdealCountsRoundsOfNaps(t *testing.T) {
	w := workload{N: 2500, Concurrency: 1000}
	require.Equal(t, 2.0, timesIdeal.of(measured{Wall: 6 * napTime}, w))
}
