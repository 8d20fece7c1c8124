package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limitedServer answers after a latency, and throttles what exceeds a rate of requests a second.
type limitedServer struct {
	latency time.Duration
	after   string       // Retry-After; empty: none
	slow    []byte       // the body of a throttled answer, of 503 then; nil: 429
	answer  http.Handler // nil: an empty answer

	mu        sync.Mutex // guards the fields below
	rate      float64
	burst     float64
	tokens    float64
	at        time.Time
	requests  int
	throttled int
}

func newLimitedServer(rate, burst float64, latency time.Duration, after string) *limitedServer {
	return &limitedServer{latency: latency, after: after, rate: rate, burst: burst, tokens: burst, at: time.Now()}
}

func (s *limitedServer) accepts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	now := time.Now()
	s.tokens, s.at = min(s.burst, s.tokens+s.rate*now.Sub(s.at).Seconds()), now
	if s.tokens < 1 {
		s.throttled++
		return false
	}
	s.tokens--
	return true
}

// setRate changes the rate.
func (s *limitedServer) setRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = rate
}

// counts returns the requests so far, and how many of them were throttled.
func (s *limitedServer) counts() (requests, throttled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.throttled
}

func (s *limitedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.accepts() {
		if s.after != "" {
			w.Header().Set("Retry-After", s.after)
		}
		if s.slow != nil {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(s.slow)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	time.Sleep(s.latency)
	if s.answer != nil {
		s.answer.ServeHTTP(w, r)
	}
}

const slowDown = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`

// limitedStore is an S3 protocol server that throttles listings and reads, each by a limit of its
// own, with 503 SlowDown.
type limitedStore struct{ list, get *limitedServer }

func newLimitedStore(keys []string, lists, gets float64) *limitedStore {
	s := &limitedStore{newLimitedServer(lists, lists/10, 20*time.Millisecond, ""), newLimitedServer(gets, gets/10, 20*time.Millisecond, "")}
	s.list.slow, s.get.slow = []byte(slowDown), []byte(slowDown)
	s.list.answer = &keyServer{keys: keys}
	content := bytes.Repeat([]byte("x"), 1024)
	s.get.answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Length", strconv.Itoa(len(content))) // as keyServer lists it
		h.Set("ETag", `"9b2cf535f27731c974343645a3985328"`)
		h.Set("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
		_, _ = w.Write(content)
	})
	return s
}

func (s *limitedStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("list-type") == "2" {
		s.list.ServeHTTP(w, r)
		return
	}
	s.get.ServeHTTP(w, r)
}

// numberedKeys returns n keys in order.
func numberedKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("data/%04d/object-%03d", i/1000, i%1000)
	}
	return keys
}
