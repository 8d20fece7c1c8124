package dmapweb

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
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

// streams sends the states of runs to all readers.
type streams struct {
	mu    sync.Mutex // guards the fields below
	feeds map[string]*feed
	open  int // of all feeds

	closed    chan struct{}
	closeOnce sync.Once
}

func newStreams() *streams {
	return &streams{feeds: map[string]*feed{}, closed: make(chan struct{})}
}

// close ends all streams.
func (s *streams) close() { s.closeOnce.Do(func() { close(s.closed) }) }

// feed sends the state of one run to its readers. It lives while it has readers.
type feed struct {
	of   *streams
	run  *watch.Collector
	subs map[chan []byte]struct{} // guarded by streams.mu
	last []byte                   // guarded by streams.mu
}

// subscribe adds a reader. The channel gets the newest message and is closed after the last one.
func (s *streams) subscribe(run *watch.Collector) (chan []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams {
		return nil, errBusy
	}
	f := s.feeds[run.Key()]
	if f == nil || f.run != run {
		f = &feed{of: s, run: run, subs: map[chan []byte]struct{}{}}
		s.feeds[run.Key()] = f
		go f.send()
	}
	s.open++
	messages := make(chan []byte, 1)
	f.subs[messages] = struct{}{}
	if f.last != nil {
		messages <- f.last
	}
	return messages, nil
}

// unsubscribe removes a reader.
func (s *streams) unsubscribe(run *watch.Collector, messages chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if f := s.feeds[run.Key()]; f != nil && f.run == run {
		delete(f.subs, messages)
	}
}

// send makes a message a second, once for all readers, until there are none or the run has ended.
func (f *feed) send() {
	ticks := time.NewTicker(streamEvery)
	defer ticks.Stop()
	for {
		live := f.run.Live() // before the snapshot: that of a run that has ended is the last
		content, err := message(f.run)
		if !f.offer(content, !live || err != nil) {
			return
		}
		select {
		case <-ticks.C:
		case <-f.run.Over():
		case <-f.of.closed:
			f.offer(nil, true)
			return
		}
	}
}

// offer gives a message to all readers: one that has not taken the message before loses that. It
// reports whether there is anybody to send to.
func (f *feed) offer(content []byte, last bool) bool {
	s := f.of
	s.mu.Lock()
	defer s.mu.Unlock()
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
		if s.feeds[f.run.Key()] == f {
			delete(s.feeds, f.run.Key())
		}
		return false
	}
	return true
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
