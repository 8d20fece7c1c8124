package dmap

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever has seen the reported use reach the budget sees no later start succeed.
func TestNoStartSucceedsOnceTheUseHasReachedTheBudget(t *testing.T) {
	for name, budget := range map[string]Budget{"calls": {Calls: 500}, "bytes": {Bytes: 1500}, "units": {Units: 1000}} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				s := newSpending(Options{Budget: budget}, runClock{time.Now()})
				var reported Usage // what has been reported for sure
				var calls, bytes, units, late atomic.Int64
				var group sync.WaitGroup
				for range 8 {
					group.Go(func() {
						for range 1000 {
							reported := Usage{Calls: calls.Load(), Bytes: bytes.Load(), Units: float64(units.Load())}
							if s.start(3) != nil {
								return
							}
							if budget.reached(reported) != "" {
								late.Add(1)
							}
							calls.Add(1)
							bytes.Add(3)
							s.spend(2)
							units.Add(2)
						}
					})
				}
				group.Wait()
				require.Zero(t, late.Load())
				reported = s.final(s.over()).Used
				switch name {
				case "calls":
					require.EqualValues(t, 500, reported.Calls)
				case "bytes":
					require.EqualValues(t, 1500, reported.Bytes)
				case "units":
					require.LessOrEqual(t, reported.Units, 1000+8*2.0)
				}
			}
		})
	}
}

func TestASumOfUnitsIsExactWhereAFloatIsNot(t *testing.T) {
	var s sum
	plain := 0.0
	for range 10_000_000 {
		s.add(0.01)
		plain += 0.01
	}
	require.NotEqual(t, 100_000.0, plain)
	require.Equal(t, 100_000.0, s.value()) //nolint:testifylint // exactly
	s.add(math.MaxFloat64)
	s.add(math.MaxFloat64)
	s.add(1)
	require.Equal(t, math.MaxFloat64, s.value()) //nolint:testifylint // exactly
}
