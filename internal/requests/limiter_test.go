package requests_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/requests"
	"github.com/go-dmap/dmap/internal/testsize"
)

type status struct{ Code int }

func (s *status) Error() string { return fmt.Sprint(s.Code) }

// asks is throttled, and asks for ten seconds.
type asks struct{}

func (asks) Error() string             { return "later" }
func (asks) HTTPStatusCode() int       { return 503 }
func (asks) RetryAfter() time.Duration { return 10 * time.Second }

// store allows rate requests a second with a burst of 10.
type store struct {
	mu        sync.Mutex
	rate      float64
	tokens    float64
	at        time.Time
	accepted  int
	throttled int
}

func (s *store) request() error {
	s.mu.Lock()
	now := time.Now()
	s.tokens, s.at = min(10, s.tokens+s.rate*now.Sub(s.at).Seconds()), now
	full := s.tokens < 1
	if full {
		s.throttled++
	} else {
		s.tokens--
		s.accepted++
	}
	s.mu.Unlock()
	if full {
		time.Sleep(time.Millisecond)
		return &status{503}
	}
	time.Sleep(50 * time.Millisecond)
	return nil
}

func (s *store) reset() (accepted, throttled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	accepted, throttled = s.accepted, s.throttled
	s.accepted, s.throttled = 0, 0
	return accepted, throttled
}

func TestRequestsFollowAStoreThatThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &store{rate: 100, at: time.Now()}
		var l requests.Limiter
		var wait sync.WaitGroup
		for range 32 {
			wait.Go(func() {
				for ctx.Err() == nil {
					_ = l.Do(ctx, s.request)
				}
			})
		}
		rates := []float64{100, 50, 100, 400}
		for _, rate := range rates[:testsize.Sizes{Race: 1, Usual: len(rates)}.Now()] {
			s.mu.Lock()
			s.rate = rate
			s.mu.Unlock()
			time.Sleep(time.Minute) // to find the rate
			s.reset()
			time.Sleep(time.Minute)
			accepted, throttled := s.reset()
			require.GreaterOrEqual(t, float64(accepted), 0.9*60*rate)
			require.Less(t, float64(throttled), 0.05*float64(accepted+throttled))
		}
		require.Positive(t, l.Throttled())
		cancel()
		wait.Wait()
	})
}

func TestAStoreThatDoesNotThrottleIsNotSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requests.Limiter
		var wait sync.WaitGroup
		began := time.Now()
		for i := range 1000 {
			wait.Go(func() {
				_ = l.Do(t.Context(), func() error {
					time.Sleep(time.Second)
					return map[bool]error{true: errors.New("broken")}[i%2 == 0]
				})
			})
		}
		wait.Wait()
		require.Equal(t, time.Second, time.Since(began))
		require.Zero(t, l.Throttled())
	})
}

func TestAWaitForARequestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requests.Limiter
		require.Error(t, l.Do(t.Context(), func() error { return asks{} }))
		began := time.Now()
		require.NoError(t, l.Do(t.Context(), func() error { return nil }))
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second)
		require.Error(t, l.Do(t.Context(), func() error { return asks{} }))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		require.ErrorIs(t, l.Do(ctx, func() error { return nil }), cause)
	})
}

func TestAPanicOfARequestFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requests.Limiter
		for range 3 {
			require.Error(t, l.Do(t.Context(), func() error { return &status{429} }))
		}
		for range 10 {
			require.Panics(t, func() { _ = l.Do(t.Context(), func() error { panic("x") }) })
		}
		require.NoError(t, l.Do(t.Context(), func() error { return nil }))
	})
}

// panics is throttled, and panics when it is asked for how long to wait.
type panics struct{ asks }

func (panics) RetryAfter() time.Duration { panic("x") }

func TestAPanicOfAnErrorFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requests.Limiter
		for range 20 {
			require.Error(t, l.Do(t.Context(), func() error { return &status{429} }))
		}
		for range 10 {
			require.Panics(t, func() { _ = l.Do(t.Context(), func() error { return panics{} }) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, l.Do(ctx, func() error { return nil }))
	})
}

// blocks is throttled, and does not say for how long to wait before it may.
type blocks struct {
	asks
	release chan struct{}
}

func (e blocks) RetryAfter() time.Duration { <-e.release; return 0 }

func TestAnErrorThatDoesNotReturnHoldsUpNoOtherRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l requests.Limiter
		release := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() { _ = l.Do(t.Context(), func() error { return blocks{release: release} }) })
		synctest.Wait()
		others := 0
		wait.Go(func() {
			_ = l.Do(t.Context(), func() error { others++; return nil })
			close(release)
		})
		wait.Wait()
		require.Equal(t, 1, others)
	})
}

func TestWithoutALimiterRequestsAreMadeAtOnce(t *testing.T) {
	require.Nil(t, requests.Listing(t.Context()))
	called := false
	require.NoError(t, requests.Reading(t.Context()).Do(t.Context(), func() error { called = true; return nil }))
	require.True(t, called)
	var limits requests.Limits
	ctx := requests.With(t.Context(), &limits)
	require.Same(t, &limits.Listing, requests.Listing(ctx))
	require.Same(t, &limits.Reading, requests.Reading(ctx))
}
