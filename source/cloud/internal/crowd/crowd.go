// Package crowd has HTTP servers for tests of the cloud packages: one counts the connections of
// concurrent calls, one records requests.
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

// Store answers each GET with an object of one byte, but only after a full round of requests has
// arrived. So the requests of a round are certainly concurrent.
type Store struct {
	*httptest.Server
	size   int // requests in a round
	opened atomic.Int64

	mu       sync.Mutex // guards the fields below
	waiting  int
	complete chan struct{} // closed when the round is complete
}

// NewStore starts a store with rounds of size requests. The caller closes it.
func NewStore(size int) *Store {
	s := &Store{size: size, complete: make(chan struct{})}
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
	complete := s.complete
	if s.waiting++; s.waiting == s.size {
		close(s.complete)
		s.waiting, s.complete = 0, make(chan struct{})
	}
	s.mu.Unlock()
	<-complete
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(1))
	h.Set("ETag", `"1"`)
	h.Set("Last-Modified", time.Unix(1_700_000_000, 0).UTC().Format(http.TimeFormat))
	_, _ = w.Write([]byte("x"))
}

// Round makes a round of concurrent reads. It returns the number of connections that they opened,
// and the first error.
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
