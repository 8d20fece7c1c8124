package flow

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)

func TestABucketWithoutARateHasNoLimit(t *testing.T) {
	for _, rate := range []float64{0, -1} {
		var b Bucket
		b.Set(epoch, rate, 1)
		require.False(t, b.Limited())
		require.Zero(t, b.Wait(epoch, 1e9))
		require.Equal(t, 7, b.Available(epoch, 7))
		b.Take(1e9)
		require.Zero(t, b.Wait(epoch, 1))
	}
}

func TestMoreThanTheBurstIsTakenWhenTheBucketIsFull(t *testing.T) {
	var b Bucket
	b.Set(epoch, 10, 3)
	require.Zero(t, b.Wait(epoch, 100))
	b.Take(100)
	require.Equal(t, 97*time.Second/10+100*time.Millisecond, b.Wait(epoch, 1).Round(time.Millisecond))
	require.Equal(t, 10*time.Second, b.Wait(epoch, 100).Round(time.Millisecond))
}

func TestADebtIsPaidAtTheNewRate(t *testing.T) {
	var b Bucket
	b.Set(epoch, 0.001, 1)
	b.Take(101)
	require.Equal(t, time.Hour, b.Wait(epoch, 1), "a bounded wait")
	b.Set(epoch, 100, 1)
	require.Equal(t, 1010*time.Millisecond, b.Wait(epoch, 1).Round(time.Millisecond))
	b.Set(epoch, 0, 1)
	b.Set(epoch, 100, 1)
	require.Zero(t, b.Wait(epoch, 1), "the debt ends with the limit")
}

func TestRatesOfAnySizeGiveFiniteWaits(t *testing.T) {
	for _, rate := range []float64{math.SmallestNonzeroFloat64, 1e-12, 1, 1e18, math.MaxFloat64} {
		var b Bucket
		b.Set(epoch, rate, 1)
		b.Take(1)
		wait := b.Wait(epoch, 1)
		require.Greater(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, longestWait)
		require.Less(t, b.Available(epoch.Add(1000*time.Hour), 5), 2)
	}
}

// Whoever waits as told takes no more than rate*time + burst, and nearly that.
func TestTheRateHoldsOverAnyTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.01, 10_000).Draw(t, "rate")
		burst := rapid.Float64Range(1, 100).Draw(t, "burst")
		var b Bucket
		b.Set(epoch, rate, burst)
		now, taken := epoch, 0.
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			n := float64(rapid.IntRange(1, 200).Draw(t, "n"))
			wait := b.Wait(now, n)
			for wait > 0 {
				now = now.Add(wait)
				wait = b.Wait(now, n)
			}
			require.LessOrEqual(t, taken, rate*now.Sub(epoch).Seconds()+burst+1e-3, "before the last, which may be a debt")
			b.Take(n)
			taken += n
		}
		require.GreaterOrEqual(t, taken+1e-3, rate*now.Sub(epoch).Seconds()-rate*1e-9*300)
	})
}
