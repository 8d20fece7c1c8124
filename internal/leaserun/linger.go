package leaserun

import (
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

// A host that gets two reports at once has less to do. So a lease that is done may report a little
// later, with the next one of its process, as long as others use its slots.

const (
	shortLinger = 4 * time.Second
	longLinger  = 10 * time.Second
)

// lingers is how long a lease may wait for another one to report, by its reading time.
func lingers(reads time.Duration) time.Duration { return min(max(reads/10, shortLinger), longLinger) }

// Linger waits after the run of a lease, before End, if nobody misses its report: nothing of it is
// unread, others use its slots, and nobody wants it back. It waits at most until the next lease of
// the pool has ended, and no longer than ten seconds.
func (s *Shedder) Linger(r *lease.Report) {
	if r.Reason != lease.Done || s.lease.Items > 0 || len(r.Broken)+len(r.Empty) > 0 {
		return
	}
	next, waitNoMore := s.pool.wait()
	defer waitNoMore()
	tick, late := time.NewTicker(lookEvery), time.NewTimer(lingers(s.lease.Time))
	defer tick.Stop()
	defer late.Stop()
	for s.unmissed() {
		select {
		case <-tick.C:
		case <-next:
			return
		case <-late.C:
			return
		}
	}
}

// unmissed reports whether others use most slots of a lease that has ended.
func (s *Shedder) unmissed() bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.lend(s.member, 0)
	a := s.member.account
	return !s.member.gave && !s.control.wantedBack() && a.own-a.lent() <= max(1, s.pool.grant.Usual/4)
}
