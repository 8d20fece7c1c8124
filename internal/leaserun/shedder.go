package leaserun

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

const (
	// lookEvery is how often a Shedder looks at its lease.
	lookEvery = 250 * time.Millisecond
	// shortPatience is how long the last calls of a lease may take, before it gives splits back: at
	// most if it was asked back, and at least if it is planned.
	shortPatience = 2 * time.Second
	// slotPatience is the shortest time after which a lease on a listing gives slots back, and
	// plannedPatience that of a planned lease.
	slotPatience    = time.Second
	plannedPatience = 1500 * time.Millisecond
)

// Shedder sets the slots of a lease. While the lease waits for its last calls it gives unread
// splits and slots away: slots to other leases of its Pool, and splits, and slots that nobody there
// uses, to the coordinator, before the report. Its methods are safe for concurrent use.
type Shedder struct {
	lease   lease.Lease
	control *Control
	pool    *Pool

	member *member // guarded by pool.mu, as the fields below

	since time.Time // it has something to give back; zero: it has not
	never bool      // it will not give any more

	done, gone chan struct{}
}

// Shed looks after a lease that is about to run, until End. pool has the other leases of the run in
// this process; nil: none. shed passes a message to the coordinator, at most twice.
func Shed(pool *Pool, l lease.Lease, control *Control, shed func(lease.Shed)) *Shedder {
	if pool == nil {
		pool = new(Pool)
	}
	s := &Shedder{
		lease: l, control: control, pool: pool, never: l.Items > 0, done: make(chan struct{}), gone: make(chan struct{}),
	}
	s.member = pool.enter(l, control)
	go s.follow(shed)
	return s
}

// Follow says which slots the coordinator counts for the leases from now on. raised may name other
// leases, too.
func (s *Shedder) Follow(g lease.Grant, raised []lease.Raised) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.follow(g)
	for _, r := range raised {
		if g.Edition == s.pool.grant.Edition {
			s.member.raise(r)
		}
	}
	s.pool.apply()
}

// End ends the looks, once the run of the lease has ended, and adds the slots to the report that
// others have. reported is false if the coordinator gets no report: then they give them back.
func (s *Shedder) End(r *lease.Report, reported bool) {
	close(s.done)
	<-s.gone
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	reported = reported && r.Reason != lease.Fenced
	if reported && r.Reason != lease.Failures && r.Reason != lease.Spent {
		s.pool.lend(s.member, 0)
	}
	moved := s.pool.leave(s.member, reported)
	if reported {
		r.Edition, r.Moved = s.pool.grant.Edition, moved
	}
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

// look lends slots once the reading has ended. It returns the message by which the lease gives
// back, once it has waited long enough for its calls: the splits that it has not read, and once its
// slots, when nobody uses half of them.
func (s *Shedder) look(now time.Time) (message lease.Shed, ok bool) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.pool.wants {
		s.pool.apply()
	}
	rest, finishing := s.control.Unread()
	stats, runs := s.control.Stats()
	unsettled := stats.InFlight + stats.Queued + stats.Waiting
	if !finishing || !runs || unsettled == 0 || s.lease.Items > 0 || s.spent(stats) {
		return message, false
	}
	s.pool.lend(s.member, unsettled)
	if s.never {
		return message, false
	}
	if s.member.gave {
		rest = nil
	}
	message = lease.Shed{Ref: s.lease.Ref, Rest: rest, Calls: min(unsettled+s.member.account.lent(), s.member.account.own)}
	frees := message.Calls <= s.member.account.own/2
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
	s.member.gave, s.since = true, time.Time{}
	s.member.account.own = message.Calls // before the coordinator gives the others away
	s.pool.apply()
	return message, true
}

// spent reports whether the lease has used a share. Its calls in flight may exceed it, and another
// lease with the same slots would exceed its own by as many: so it keeps them until the report.
func (s *Shedder) spent(stats dmap.Stats) bool {
	l := &s.lease
	return l.Enough > 0 && stats.Succeeded >= l.Enough || l.Failures >= 0 && stats.Failed > l.Failures || s.control.asked() == lease.Failures
}

// patience is how long the calls may take before others get the splits and the slots. A message
// costs about half a lease. Others need the slots and the ranges of a listing at once: all that is
// unread is in such leases. Planned work is shared out by its size.
func (s *Shedder) patience(rest bool) time.Duration {
	l := &s.lease
	lists := l.Rest > len(l.Splits)
	switch {
	case rest && s.control.asked() == lease.Asked: // others wait
		return min(l.Time/4, shortPatience)
	case rest && lists:
		return l.Time / 4
	case rest:
		return max(l.Time/4, shortPatience)
	case lists:
		return max(l.Time/60, slotPatience)
	}
	return max(l.Time/60, plannedPatience)
}
