package crowd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Recorder is a store for tests that keeps the last request and answers with what it is told.
type Recorder struct {
	*httptest.Server

	mu   sync.Mutex // guards what follows
	last *http.Request
}

// NewRecorder starts a store whose answers answer writes. Close ends it.
func NewRecorder(answer http.HandlerFunc) *Recorder {
	r := &Recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.last = req.Clone(context.WithoutCancel(req.Context()))
		r.mu.Unlock()
		answer(w, req)
	}))
	return r
}

// Last is the last request.
func (r *Recorder) Last() *http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
