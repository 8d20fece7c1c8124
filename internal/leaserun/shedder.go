package leaserun

import (
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

const (
	// lookEvery is how often a Shedder looks at its lease.
	lookEvery = 250 * time.Millisecond
	// shortPatience is how long the last calls of a lease may take at most if it was asked back.
	shortPatience = 2 * time.Second
	// slotPatience is the shortest time after which a lease gives slots back.
	slotPatience = time.Second
)

// Shedder gives the splits and the slots of a lease that waits for its last calls back to the
// coordinator, before the report. It also sets the slots that the lease has. Its methods are safe
// for concurrent use.
type Shedder struct {
	lease   lease.Lease
	control *Control

	mu    sync.Mutex // guards the fields below
	slots int        // of the lease now
	since time.Time  // it has something to give back; zero: it has not
	gave  bool       // it has given splits or slots back
	never bool       // it will not give any more

	done, gone chan struct{}
}

// Shed looks after a lease that is about to run, until Stop. shed passes a message to the
// coordinator, at most twice.
func Shed(l lease.Lease, control *Control, shed func(lease.Shed)) *Shedder {
	s := &Shedder{
		lease: l, control: control, slots: max(l.Slots, 1), never: l.Items > 0,
		done: make(chan struct{}), gone: make(chan struct{}),
	}
	go s.follow(shed)
	return s
}

// SetSlots says how many calls at once the coordinator gives to the lease from now on.
func (s *Shedder) SetSlots(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = max(n, 1); s.gave { // the coordinator counts the slots that the lease has kept
		n = min(n, s.slots)
	}
	s.set(n)
}

// Stop ends the looks, once the run of the lease has ended.
func (s *Shedder) Stop() {
	close(s.done)
	<-s.gone
}

func (s *Shedder) follow(shed func(lease.Shed)) {
	defer close(s.gone)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if message, ok := s.look(time.Now()); ok {
				shed(message)
			}
		case <-s.done:
			return
		}
	}
}

// look returns the message by which the lease gives back, once it has waited long enough for its
// calls: the splits that it has not read, and once its slots, when half of them are not used.
func (s *Shedder) look(now time.Time) (message lease.Shed, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest, finishing := s.control.Unread()
	stats, runs := s.control.Stats()
	unsettled := stats.InFlight + stats.Queued + stats.Waiting
	if s.never || !finishing || !runs || unsettled == 0 {
		return message, false
	}
	if s.gave {
		rest = nil
	}
	message = lease.Shed{Ref: s.lease.Ref, Rest: rest, Calls: min(unsettled, s.slots)}
	frees := message.Calls <= s.slots/2
	if len(rest) == 0 && !frees {
		s.since = time.Time{}
		return message, false
	}
	if s.since.IsZero() {
		s.since = now
	}
	if now.Sub(s.since) < s.patience(len(rest) > 0) {
		return message, false
	}
	tooMany := len(rest) > max(s.lease.Rest, len(s.lease.Splits))
	if s.never = len(rest) == 0 || frees || tooMany; tooMany {
		return message, false
	}
	s.gave, s.since = true, time.Time{}
	s.set(message.Calls) // before the coordinator gives the others away
	return message, true
}

func (s *Shedder) set(slots int) {
	if slots != s.slots {
		s.slots = slots
		s.control.SetSlots(slots)
	}
}

// patience is how long the calls may take before others get the splits and the slots. A message
// costs about half a lease.
func (s *Shedder) patience(rest bool) time.Duration {
	wait := s.lease.Time / 4
	if !rest {
		return max(s.lease.Time/60, slotPatience)
	}
	if s.control.asked() == lease.Asked { // others wait
		return min(wait, shortPatience)
	}
	return wait
}
