package dmapweb

import (
	"net/http"
	"time"
)

// serveEvents streams the state of a run of this process as server-sent events. A reader that
// cannot get them polls the run.
func (p *site) serveEvents(w http.ResponseWriter, r *http.Request) error {
	run := p.set.Find(r.PathValue("run"))
	if run == nil {
		return notFound("no run of this process has that ID: poll it instead")
	}
	if r.Method != http.MethodGet { // HEAD
		return &httpError{http.StatusMethodNotAllowed, "a stream is read by GET"}
	}
	out := http.NewResponseController(w)
	if err := out.SetWriteDeadline(time.Now().Add(writeDeadline)); err != nil {
		return &httpError{http.StatusNotImplemented, "the server cannot limit the time of a write: poll instead"}
	}
	messages, err := p.streams.subscribe(run)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		return err
	}
	defer p.streams.unsubscribe(run, messages)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.Header().Set("Connection", "close") // the deadline must not meet the next request
	w.WriteHeader(http.StatusOK)
	for {
		select {
		case content, ok := <-messages:
			if !ok {
				writeEvent(w, out, "end", []byte("{}"))
				return nil
			}
			if !writeEvent(w, out, "state", content) {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
	}
}
