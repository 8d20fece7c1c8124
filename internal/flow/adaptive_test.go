package flow

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(d time.Duration) time.Time { return epoch.Add(d) }

// fallen returns an Adaptive after a first fall: 100 requests of 100 ms were in flight.
func fallen(t *testing.T, asked time.Duration) *Adaptive {
	t.Helper()
	var a Adaptive
	signal := Signal{Now: epoch, Fresh: true, Asked: asked, Slots: 100, Peak: 100, Time: 100 * time.Millisecond, Done: 10, Successes: 9}
	for range mostScore - 1 {
		if asked == 0 {
			require.False(t, a.Throttle(signal), "a few tell nothing")
		}
	}
	require.True(t, a.Throttle(signal))
	return &a
}

func TestWithoutThrottlingThereIsNoBound(t *testing.T) {
	var a Adaptive
	a.Grow(epoch, 100)
	require.False(t, a.Engaged())
	require.Equal(t, 100, a.Slots(100))
	require.Zero(t, a.Rate())
	require.Zero(t, a.Pacing().Wait(epoch, 1))
	require.True(t, a.Until().IsZero())
}

func TestBoundsFallAndGrowBackToWhereTheServerThrottled(t *testing.T) {
	a := fallen(t, 0)
	require.Equal(t, 50, a.Slots(1000))
	require.InDelta(t, 500, a.Rate(), 1)
	last := 0.
	for d := time.Duration(0); d <= shortPeriod; d += 10 * time.Millisecond {
		a.Press()
		a.Grow(at(d), 1000)
		require.GreaterOrEqual(t, a.Rate(), last)
		last = a.Rate()
	}
	require.InDelta(t, 1000, a.Rate(), 1)
	require.Equal(t, 100, a.Slots(1000))
	for d := shortPeriod; d <= 3*shortPeriod; d += 10 * time.Millisecond {
		a.Press()
		a.Grow(at(d), 1000)
	}
	require.Greater(t, a.Rate(), 2000., "a server with more room is found")
	require.Equal(t, 70, a.Slots(70), "the ceiling holds")
}

func TestBoundsThatHoldNothingBackDoNotGrow(t *testing.T) {
	a := fallen(t, 0)
	for d := time.Duration(0); d <= time.Hour; d += time.Second {
		a.Grow(at(d), 1000)
	}
	require.InDelta(t, 500, a.Rate(), 1)
	a.Press()
	a.Grow(at(2*time.Hour), 1000)
	require.LessOrEqual(t, a.Rate(), 1000., "a long pause counts little")
}

func TestBoundsEndOnceTheCeilingIsAllThatHolds(t *testing.T) {
	a := fallen(t, 0)
	d := time.Duration(0)
	for ; d <= 2*shortPeriod; d += 10 * time.Millisecond {
		a.Press()
		a.Grow(at(d), 100)
	}
	require.True(t, a.Engaged())
	for ; d <= 4*shortPeriod; d += 10 * time.Millisecond {
		a.Grow(at(d), 100)
	}
	require.False(t, a.Engaged())
	require.Zero(t, a.Rate())
}

// The successes are those of items, and a batch has many.
func TestBoundsFallFarIfTheServerThrottlesMostRequests(t *testing.T) {
	a := fallen(t, 0)
	signal := Signal{Now: at(time.Minute), Fresh: true, Slots: 50, Peak: 50, Time: 100 * time.Millisecond, Done: 10, Successes: 9}
	for range 16 {
		signal.Done++
		require.False(t, a.Throttle(Signal{Now: signal.Now, Done: signal.Done, Successes: signal.Successes}), "not fresh")
	}
	signal.Done, signal.Successes = 30, 5000
	falls := 0
	for range mostScore + 1 {
		if a.Throttle(signal) {
			falls++
		}
	}
	require.Equal(t, 1, falls)
	require.InDelta(t, leastShare, a.share, 0)
}

func TestRequestsThatStartedBeforeAFallDoNotLowerTheBoundsAgain(t *testing.T) {
	a := fallen(t, time.Second)
	rate, until := a.Rate(), a.Until()
	for range 50 {
		require.False(t, a.Throttle(Signal{Now: at(time.Millisecond), Slots: 10, Done: 60}))
	}
	require.InDelta(t, rate, a.Rate(), 0)
	require.Equal(t, until, a.Until())
	require.False(t, a.Throttle(Signal{Now: at(time.Millisecond), Asked: time.Minute}))
	require.Equal(t, at(time.Minute+time.Millisecond), a.Until(), "but a longer wait holds")
}

func TestTheBackOffHasJitterOnWhatTheServerAsksFor(t *testing.T) {
	for chance, want := range map[float64]time.Duration{0: 10 * time.Second, 0.5: 10500 * time.Millisecond} {
		var a Adaptive
		require.True(t, a.Throttle(Signal{Now: epoch, Fresh: true, Asked: 10 * time.Second, Chance: chance}))
		require.Equal(t, at(want), a.Until())
	}
}

func TestAServerThatIsDownIsAskedLessAndLess(t *testing.T) {
	var a Adaptive
	now, waits := epoch, []time.Duration{}
	for done := range int64(60) {
		if a.Throttle(Signal{Now: now, Fresh: true, Slots: 1, Time: time.Millisecond, Done: done, Chance: 0}) {
			waits = append(waits, a.Until().Sub(now))
		}
		now = now.Add(time.Second)
		if a.Until().After(now) {
			now = a.Until()
		}
	}
	require.Equal(t, longHold, waits[len(waits)-1])
	require.GreaterOrEqual(t, a.Rate(), slowestRate)
}

func TestAFewThrottledRequestsAtRandomChangeNothing(t *testing.T) {
	var a Adaptive
	for done := int64(100); done < 100_000; done += 100 { // one in a hundred
		require.False(t, a.Throttle(Signal{Now: at(time.Duration(done) * time.Millisecond), Fresh: true, Slots: 10, Time: time.Second, Done: done, Successes: done}))
	}
	require.False(t, a.Engaged())
	random, falls := rand.New(rand.NewPCG(1, 2)), 0
	for done := int64(100_000); done < 200_000; done++ {
		if random.IntN(100) == 0 && a.Throttle(Signal{Now: at(time.Duration(done) * time.Millisecond), Fresh: true, Done: done, Successes: done}) {
			falls++
		}
	}
	require.LessOrEqual(t, falls, 2, "at random")
}

func TestAFixedLimitOnlyHasTheBackOff(t *testing.T) {
	var a Adaptive
	require.True(t, a.Throttle(Signal{Now: epoch, Fresh: true, Asked: time.Second, Slots: 9, Fixed: true}))
	require.False(t, a.Engaged())
	require.Equal(t, at(time.Second), a.Until())
}

func TestSignalsOfAnyKindGiveBoundsThatCanBeUsed(t *testing.T) {
	for _, s := range []Signal{
		{}, {Slots: -1, Peak: -5, Time: -1, Done: -1, Successes: -9}, {Slots: math.MaxInt, Time: 1, Done: math.MaxInt64, Successes: math.MaxInt64},
		{Time: math.MaxInt64, Slots: 1}, {Slots: 1, Time: 1, Successes: math.MinInt64},
	} {
		var a Adaptive
		for i := range 100 {
			s.Now, s.Fresh, s.Asked = at(time.Duration(i)*2*time.Second), true, time.Duration(i%2)
			a.Throttle(s)
			a.Press()
			a.Grow(s.Now.Add(time.Second), 10)
			require.GreaterOrEqual(t, a.Slots(10), 1)
			require.LessOrEqual(t, a.Slots(10), 10)
			require.False(t, math.IsNaN(a.Rate()))
			require.GreaterOrEqual(t, a.Rate(), 0.)
		}
	}
}
