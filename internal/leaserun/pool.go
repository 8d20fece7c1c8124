package leaserun

import (
	"math"
	"slices"
	"sync"

	"github.com/go-dmap/dmap/internal/lease"
)

// Pool has the leases of one run that a process runs. A lease that waits for its last calls lends
// the slots that it does not use to others, which read and use all of theirs. Together they never
// make more calls at once than the coordinator counts for them, nor than the process allows. The
// zero Pool is ready. Its methods are safe for concurrent use.
type Pool struct {
	mu      sync.Mutex // guards the fields below, and the members
	grant   lease.Grant
	books   books
	members []*member
	leases  int     // that the process has at most; 0: no limit
	wants   bool    // a limit is lower than the books say, until calls have ended
	waiting waiting // for another one to end
}

// AtMost says how many leases the process has at most. Together they make no more calls at once
// than that number of leases of the usual size.
func (p *Pool) AtMost(leases int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leases = leases
}

// most is the largest number of calls at once.
func (p *Pool) most() int {
	if p.leases == 0 {
		return math.MaxInt
	}
	return p.leases * max(p.grant.Usual, 1)
}

// enter adds a lease. One that was given before the last edit of the limit follows the edit.
func (p *Pool) enter(l lease.Lease, control *Control) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(l.Grant)
	m := &member{control: control}
	own := max(l.Slots, 1)
	if l.Grant.Edition < p.grant.Edition {
		own = p.grant.Usual
	}
	m.account = p.books.open(l.Ref, own)
	p.members = append(p.members, m)
	p.apply()
	return m
}

// follow begins another edition of the grant.
func (p *Pool) follow(g lease.Grant) {
	if g.Edition <= p.grant.Edition {
		return
	}
	p.grant = g
	for _, s := range p.members {
		s.raised = 0
	}
	p.books.reset(func(a *account) int {
		i := slices.IndexFunc(p.members, func(s *member) bool { return s.account == a })
		if s := p.members[i]; s.gave { // the coordinator counts the slots that the lease has kept
			return min(a.own, max(g.Usual, 1))
		}
		return max(g.Usual, 1)
	})
	p.apply()
}

// apply has the leases follow the books: lower limits come first. If the process may not make as
// many calls, a higher limit waits until calls of others have ended.
func (p *Pool) apply() {
	limits := make([]int, len(p.members))
	for i, s := range p.members {
		limits[i] = max(1, p.books.limit(s.account))
		if s.uses > 0 {
			limits[i] = min(limits[i], s.uses)
		}
	}
	cut(limits, p.most()-max(0, p.leases-len(limits))) // each lease to come may begin a call
	rises := false
	for i, s := range p.members {
		s.set(min(limits[i], s.slots))
		rises = rises || limits[i] > s.slots
	}
	if p.wants = false; !rises { // seldom otherwise, and room asks all leases
		return
	}
	room := p.room()
	for i, s := range p.members {
		more := min(limits[i]-s.slots, room)
		p.wants = p.wants || s.slots+more < limits[i]
		s.set(max(1, s.slots+more))
		room -= more
	}
}

// room is the number of calls that the process may still make at once.
func (p *Pool) room() int {
	room := p.most()
	for _, s := range p.members {
		stats, _ := s.control.Stats()
		room -= max(s.slots, stats.InFlight)
	}
	return max(0, room)
}

// lend lends slots of a lease that only finishes, and has this number of calls left to make at
// once.
func (p *Pool) lend(from *member, uses int) {
	a := from.account
	from.uses = max(1, uses)
	free := p.books.limit(a) - uses
	borrowed := p.books.borrowed(a)
	may := borrowed + max(0, a.own-a.lent()-keeps(a.own, p.own(), p.most(), len(p.members), p.grant.Usual))
	takers := p.takers(from)
	if n := min(free, may); n > 0 && len(takers) > 0 && from.lower(p.books.limit(a)-n) {
		p.divide(n, a, takers)
	} else if back := min(free, borrowed); back > 0 && from.lower(p.books.limit(a)-back) {
		p.books.giveBack(a, back)
	}
	p.apply()
}

func (p *Pool) divide(n int, from *account, takers []*member) {
	limits := make([]int, len(takers))
	for i, s := range takers {
		limits[i] = s.slots
	}
	for i, more := range topUp(n, limits) {
		p.books.lend(from, takers[i].account, max(0, min(more, takers[i].control.couldUse(limits[i])-limits[i])))
	}
}

func (p *Pool) own() (n int) {
	for _, a := range p.books.accounts {
		n += a.own
	}
	return n
}

// takers are the leases that would use more slots.
func (p *Pool) takers(but *member) (list []*member) {
	for _, s := range p.members {
		if s != but && s.control.couldUse(s.slots) > s.slots {
			list = append(list, s)
		}
	}
	return list[:min(len(list), lease.MostMoved)]
}

// leave removes a lease. moved says that its report reaches the coordinator with the loans.
func (p *Pool) leave(s *member, moved bool) []lease.Moved {
	p.waiting.wake()
	p.members = slices.DeleteFunc(p.members, func(o *member) bool { return o == s })
	list := p.books.close(s.account, moved)
	p.apply()
	return list
}

// wait returns a channel that is closed when another lease of the pool has ended.
func (p *Pool) wait() (next <-chan struct{}, stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.waiting.add()
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.waiting.remove(c)
	}
}
