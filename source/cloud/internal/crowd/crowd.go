// Package crowd is a store for tests that counts the connections of many calls at once.
package crowd

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Store answers each GET with an object of one byte, but only when a whole round of them has come: they are at once for sure.
type Store struct {
	*httptest.Server
	size   int // of a round
	opened atomic.Int64

	mu      sync.Mutex // guards what follows
	waiting int
	whole   chan struct{} // closed when the round is whole
}

// NewStore starts a store with rounds of size. Close ends it.
func NewStore(size int) *Store {
	s := &Store{size: size, whole: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.get))
	s.Server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.Server.Start()
	return s
}

func (s *Store) get(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	whole := s.whole
	if s.waiting++; s.waiting == s.size {
		close(s.whole)
		s.waiting, s.whole = 0, make(chan struct{})
	}
	s.mu.Unlock()
	<-whole
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(1))
	h.Set("ETag", `"1"`)
	h.Set("Last-Modified", time.Unix(1_700_000_000, 0).UTC().Format(http.TimeFormat))
	_, _ = w.Write([]byte("x"))
}

// Round makes a round of reads at once and returns how many connections they opened, and the first error.
func (s *Store) Round(read func() error) (opened int64, err error) {
	before := s.opened.Load()
	errs := make(chan error, s.size)
	for range s.size {
		go func() { errs <- read() }()
	}
	for range s.size {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return s.opened.Load() - before, err
}
