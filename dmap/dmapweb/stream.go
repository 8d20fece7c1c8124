package dmapweb

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/go-dmap/dmap/internal/watch"
)

// Bounds of streams.
const (
	maxStreams    = 32
	writeDeadline = 5 * time.Second
	streamEvery   = time.Second
)

var (
	errLarge = errors.New("the state of the run is too large for a message")
	errBusy  = &httpError{http.StatusServiceUnavailable, "32 streams are open: poll instead"}
)

// feed sends the state of one run to its readers. It lives while it has readers.
type feed struct {
	page *Page
	run  *watch.Collector
	subs map[chan []byte]struct{} // guarded by Page.mu
	last []byte                   // guarded by Page.mu
}

// subscribe adds a reader. The channel gets the newest message and is closed after the last one.
func (p *Page) subscribe(run *watch.Collector) (chan []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams >= maxStreams {
		return nil, errBusy
	}
	f := p.feeds[run.Key()]
	if f == nil || f.run != run {
		f = &feed{page: p, run: run, subs: map[chan []byte]struct{}{}}
		p.feeds[run.Key()] = f
		go f.send()
	}
	p.streams++
	messages := make(chan []byte, 1)
	f.subs[messages] = struct{}{}
	if f.last != nil {
		messages <- f.last
	}
	return messages, nil
}

// unsubscribe removes a reader.
func (p *Page) unsubscribe(run *watch.Collector, messages chan []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams--
	if f := p.feeds[run.Key()]; f != nil && f.run == run {
		delete(f.subs, messages)
	}
}

// send makes a message a second, once for all readers, until there are none or the run has ended.
func (f *feed) send() {
	ticks := time.NewTicker(streamEvery)
	defer ticks.Stop()
	for {
		live := f.run.Live() // before the snapshot: that of a run that has ended is the last
		content, err := f.page.message(f.run)
		if !f.offer(content, !live || err != nil) {
			return
		}
		select {
		case <-ticks.C:
		case <-f.run.Over():
		case <-f.page.closed:
			f.offer(nil, true)
			return
		}
	}
}

// message is the state of a run as an event of a stream.
func (p *Page) message(run *watch.Collector) ([]byte, error) {
	m := streamed{describe: describeRun(run.Snapshot())}
	m.Series = run.Series(0)
	if m.First = len(m.Series.Points) - tailPoints; m.First > 0 {
		m.Series.Points = m.Series.Points[m.First:]
	}
	m.First = max(0, m.First)
	return encodeMessage(m)
}

// offer gives a message to all readers: one that has not taken the message before loses that. It
// reports whether there is anybody to send to.
func (f *feed) offer(content []byte, last bool) bool {
	p := f.page
	p.mu.Lock()
	defer p.mu.Unlock()
	f.last = content
	for messages := range f.subs {
		if content != nil {
			select {
			case <-messages:
			default:
			}
			messages <- content
		}
		if last {
			close(messages)
		}
	}
	if last || len(f.subs) == 0 {
		f.subs = map[chan []byte]struct{}{}
		if p.feeds[f.run.Key()] == f {
			delete(p.feeds, f.run.Key())
		}
		return false
	}
	return true
}

// serveEvents streams the state of a run of this process as server-sent events. A reader that
// cannot get them polls the run.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) error {
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
	messages, err := p.subscribe(run)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		return err
	}
	defer p.unsubscribe(run, messages)
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

// writeEvent reports whether the reader has taken the event in time.
func writeEvent(w http.ResponseWriter, out *http.ResponseController, name string, content []byte) bool {
	var event bytes.Buffer
	event.WriteString("event: " + name + "\ndata: ")
	event.Write(content) // JSON has no line breaks
	event.WriteString("\n\n")
	if out.SetWriteDeadline(time.Now().Add(writeDeadline)) != nil {
		return false
	}
	if _, err := w.Write(event.Bytes()); err != nil {
		return false
	}
	return out.Flush() == nil
}
