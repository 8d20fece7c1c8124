package dmap_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
)

// set changes the rate.
func (s *throttlingServer) set(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = rate
}

// observe returns the accepted calls a second, and the share of throttled ones.
func (s *throttlingServer) observe(d time.Duration) (perSecond, throttled float64) {
	calls, refused := s.counts()
	time.Sleep(d)
	c, r := s.counts()
	c, r = c-calls, r-refused
	return float64(c-r) / d.Seconds(), float64(r) / float64(max(1, c))
}

// The best fixed concurrency has the rate of the server: the adaptive one has nine tenths of it,
// for any latency, and also where the right number of calls at once is no whole number.
func TestTheAdaptiveLimitFindsTheRateOfTheServer(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("it makes millions of calls: make test runs it without")
	}
	servers := []struct {
		name string
		throttlingServer
	}{
		{"asks for a wait", throttlingServer{rate: 500, burst: 50, latency: 20 * time.Millisecond, after: time.Second}},
		{"3 ms", throttlingServer{rate: 500, burst: 5, latency: 3 * time.Millisecond}},
		{"20 ms", throttlingServer{rate: 500, burst: 50, latency: 20 * time.Millisecond}},
		{"counts seconds", throttlingServer{rate: 500, burst: 500, window: true, latency: 20 * time.Millisecond}},
		{"20 ms, random", throttlingServer{rate: 500, burst: 50, latency: 20 * time.Millisecond, jitter: true}},
		{"100 ms, random", throttlingServer{rate: 500, burst: 50, latency: 100 * time.Millisecond, jitter: true}},
		{"1 ms", throttlingServer{rate: 500, burst: 50, latency: time.Millisecond}},
		{"asks for a short wait", throttlingServer{rate: 500, burst: 50, latency: 20 * time.Millisecond, after: 100 * time.Millisecond}},
	}
	checked := testsize.Sizes{Short: 2, Usual: 4, Long: len(servers)}.Now()
	for i := range servers[:checked] {
		name, s := servers[i].name, &servers[i].throttlingServer
		synctest.Test(t, func(t *testing.T) {
			run, err := dmap.Start(t.Context(), numbers(10_000_000), s.call, dmap.Options{MaxConcurrency: 100})
			require.NoError(t, err)
			s.observe(30 * time.Second) // to find the rate
			for _, rate := range []float64{500, 250, 500, 1000} {
				s.set(rate)
				_, throttled := s.observe(10 * time.Second)
				require.Less(t, throttled, 0.1, name)
				s.observe(time.Minute)
				perSecond, throttled := s.observe(2 * time.Minute)
				t.Logf("%-22s %4v allowed a second: %.0f accepted, %.2f %% throttled", name, rate, perSecond, 100*throttled)
				require.GreaterOrEqual(t, perSecond, 0.9*rate, "%s, %v a second", name, rate)
				require.Less(t, throttled, 0.05, "%s, %v a second", name, rate)
				require.LessOrEqual(t, run.Stats().InFlight, 100)
				require.Equal(t, 100, run.Stats().Limit, "the ceiling is the user's")
			}
			run.Cancel(nil)
			_, err = run.Wait()
			require.ErrorIs(t, err, dmap.ErrCanceled)
		})
	}
}

// A server may limit the calls at once instead.
func TestTheAdaptiveLimitFindsTheConcurrencyOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &throttlingServer{most: 20, latency: 40 * time.Millisecond}
		run, err := dmap.Start(t.Context(), numbers(10_000_000), s.call, dmap.Options{MaxConcurrency: 1000})
		require.NoError(t, err)
		s.observe(time.Minute)
		perSecond, throttled := s.observe(2 * time.Minute)
		require.GreaterOrEqual(t, perSecond, 0.9*500)
		require.Less(t, throttled, 0.05)
		require.InDelta(t, 20, run.Stats().AdaptedLimit, 5)
		require.Positive(t, run.Stats().AdaptedRate)
		run.Cancel(nil)
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
	})
}

// A few 503 at random are no reason to slow down: the calls would only take longer.
func TestFewThrottledCallsAtRandomDoNotSlowARunDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, err := dmap.Start(t.Context(), numbers(100_000), everyHundredth, dmap.Options{MaxConcurrency: 100})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		require.Zero(t, run.Stats().AdaptedLimit)
		require.Positive(t, run.Stats().Throttled)
		run.Cancel(nil)
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
	})
}

// The ceiling of the user holds at any time, and the limit that was found is not one.
func TestTheAdaptiveLimitStaysUnderALowerCeiling(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("it makes a million calls: make test runs it without")
	}
	synctest.Test(t, func(t *testing.T) {
		s := &throttlingServer{rate: 500, burst: 50, latency: 100 * time.Millisecond}
		run, err := dmap.Start(t.Context(), numbers(10_000_000), s.call, dmap.Options{MaxConcurrency: 100})
		require.NoError(t, err)
		s.observe(time.Minute)
		require.Positive(t, run.Stats().AdaptedLimit)
		require.NoError(t, run.SetMaxConcurrency(10))
		s.observe(time.Second)
		require.LessOrEqual(t, run.Stats().InFlight, 10)
		require.Equal(t, 10, run.Stats().Limit)
		s.observe(10 * time.Minute)
		require.NoError(t, run.SetMaxConcurrency(200))
		require.Equal(t, 200, run.Stats().Limit)
		s.set(10_000)
		s.observe(5 * time.Minute)
		require.Zero(t, run.Stats().AdaptedLimit, "the server takes all that the ceiling allows")
		require.Zero(t, run.Stats().AdaptedRate)
		perSecond, _ := s.observe(10 * time.Second)
		require.InDelta(t, 2000, perSecond, 20)
		run.Cancel(nil)
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrCanceled)
	})
}
