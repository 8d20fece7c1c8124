package crowd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Recorder is a server that keeps the last request.
type Recorder struct {
	*httptest.Server

	mu   sync.Mutex // guards the fields below
	last *http.Request
}

// NewRecorder starts a server that answers with answer. The caller closes it.
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

// Last returns the last request.
func (r *Recorder) Last() *http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
