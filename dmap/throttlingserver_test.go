package dmap_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// throttlingServer allows rate calls a second with a burst, or most calls at once, and throttles
// the others at once.
type throttlingServer struct {
	mu        sync.Mutex
	rate      float64
	burst     float64
	window    bool // the burst is new each second, instead of one call after the other
	most      int
	latency   time.Duration
	jitter    bool          // latencies are random, with that mean
	after     time.Duration // Retry-After
	tokens    float64
	at        time.Time
	inFlight  int
	calls     int
	throttled int
}

var errTooMany = errors.New("too many requests")

// counts returns the calls so far, and how many of them were throttled.
func (s *throttlingServer) counts() (calls, throttled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls, s.throttled
}

func (s *throttlingServer) accepts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	now := time.Now()
	switch {
	case s.at.IsZero():
		s.tokens, s.at = s.burst, now
	case s.window && now.Sub(s.at) >= time.Second:
		s.tokens, s.at = s.rate, s.at.Add(now.Sub(s.at).Truncate(time.Second))
	case !s.window:
		s.tokens, s.at = min(s.burst, s.tokens+s.rate*now.Sub(s.at).Seconds()), now
	}
	if s.rate > 0 && s.tokens < 1-1e-6 || s.most > 0 && s.inFlight >= s.most {
		s.throttled++
		return false
	}
	s.tokens--
	s.inFlight++
	return true
}

// call is a call of the server.
func (s *throttlingServer) call(ctx context.Context, i int) (int, error) {
	if !s.accepts() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
		return 0, dmap.Throttled(errTooMany, s.after)
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
	}()
	latency := s.latency
	if s.jitter {
		latency = time.Duration(float64(latency) * rand.ExpFloat64())
	}
	select {
	case <-time.After(latency):
	case <-ctx.Done():
	}
	return i, ctx.Err()
}

// everyHundredth is a call of which one in a hundred is throttled, whatever the load is.
func everyHundredth(ctx context.Context, i int) (int, error) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if info, _ := dmap.InfoFrom(ctx); i%100 == 99 && info.Attempt == 1 {
		return 0, dmap.Throttled(errTooMany, 0)
	}
	return i, nil
}
