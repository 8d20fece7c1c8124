package leaserun

import (
	"slices"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/lease"
)

const (
	// divideEvery is how often the slots of a worker are divided anew.
	divideEvery = 250 * time.Millisecond
	// shortPatience is how long the last calls of a lease may take: at most if it was asked back,
	// and at least if it has read all.
	shortPatience = 2 * time.Second
)

// Pool limits the calls at once of the leases that one worker has of a run. A lease that only
// finishes gives splits and slots back to the coordinator, and uses no more than it has kept.
// Leases do not use the slots of each other. The zero Pool is ready. Its methods are safe for
// concurrent use.
type Pool struct {
	mu      sync.Mutex // guards the fields below, and those of the members
	members []*Member
	divided time.Time
}

// Member is a lease in a Pool.
type Member struct {
	pool    *Pool
	lease   lease.Lease
	control *Control
	slots   int       // that the coordinator has given
	limit   int       // now
	since   time.Time // it has something to give back; zero: it has not
	gave    bool      // it has given splits or slots back
	never   bool      // it will not give any more

	done, gone chan struct{}
}

// Join adds a lease that is about to run, until Leave. shed passes splits to the coordinator that
// the lease gives back before its report, at most twice.
func (p *Pool) Join(l lease.Lease, control *Control, shed func(lease.Shed)) *Member {
	m := &Member{
		pool: p, lease: l, control: control, slots: max(l.Slots, 1), limit: max(l.Slots, 1), never: l.Items > 0,
		done: make(chan struct{}), gone: make(chan struct{}),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = append(p.members, m)
	go m.follow(shed)
	return m
}

// SetSlots says how many calls at once the coordinator gives to the lease from now on.
func (m *Member) SetSlots(n int) {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if n = max(n, 1); m.gave { // the coordinator counts the slots that the lease has kept
		n = min(n, m.slots)
	}
	m.slots = n
	m.pool.divide()
}

// Leave removes the lease, whose run has ended.
func (m *Member) Leave() {
	close(m.done)
	<-m.gone
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.pool.members = slices.DeleteFunc(m.pool.members, func(o *Member) bool { return o == m })
	m.pool.divide()
}

func (m *Member) follow(shed func(lease.Shed)) {
	defer close(m.gone)
	tick := time.NewTicker(divideEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if message, ok := m.pool.look(m, time.Now()); ok {
				shed(message)
			}
		case <-m.done:
			return
		}
	}
}

// look divides the slots, if nobody has done so shortly before, and returns the message by which m
// gives splits back, if it is time.
func (p *Pool) look(m *Member, now time.Time) (message lease.Shed, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.divided) >= divideEvery/2 {
		p.divided = now
		p.divide()
	}
	return m.give(now)
}

// divide sets the limits of all leases. Those that fall come first, so that the slots that they
// leave are certain.
func (p *Pool) divide() {
	if len(p.members) == 1 && p.members[0].limit == p.members[0].slots {
		return
	}
	p.set(func(m *Member, limit int) bool { return limit < m.limit })
	p.set(func(m *Member, limit int) bool { return limit != m.limit })
}

func (p *Pool) set(which func(m *Member, limit int) bool) {
	total := 0
	uses := make([]Use, len(p.members))
	for _, m := range p.members {
		total += m.slots
	}
	for i, m := range p.members {
		uses[i] = m.use()
	}
	for i, limit := range Slots(total, uses) {
		if m := p.members[i]; which(m, limit) {
			m.limit = limit
			m.control.SetSlots(limit)
		}
	}
}

func (m *Member) use() Use {
	stats, _, _ := m.control.Stats()
	_, ended := m.control.Unread()
	return Use{Slots: m.slots, Limit: m.limit, InFlight: stats.InFlight, Finishing: ended && stats.Queued == 0}
}

// give returns the message by which m gives back, once it has waited long enough for its calls: the
// splits that it has not read, and once its slots, when half of them are not used.
func (m *Member) give(now time.Time) (message lease.Shed, ok bool) {
	rest, finishing := m.control.Unread()
	stats, _, runs := m.control.Stats()
	unsettled := stats.InFlight + stats.Queued + stats.Waiting
	if m.never || !finishing || !runs || unsettled == 0 {
		return message, false
	}
	if m.gave {
		rest = nil
	}
	message = lease.Shed{Ref: m.lease.Ref, Rest: rest, Calls: min(unsettled, m.limit, m.slots)}
	if len(rest) == 0 && message.Calls > m.slots/2 {
		m.since = time.Time{}
		return message, false
	}
	if m.since.IsZero() {
		m.since = now
	}
	if now.Sub(m.since) < m.patience(len(rest) > 0) {
		return message, false
	}
	m.never = len(rest) == 0 || message.Calls <= m.slots/2 || len(rest) > max(m.lease.Rest, len(m.lease.Splits))
	if len(rest) > max(m.lease.Rest, len(m.lease.Splits)) {
		return message, false
	}
	m.gave, m.since, m.slots = true, time.Time{}, message.Calls
	m.pool.divide() // before the coordinator gives the others away
	return message, true
}

// patience is how long the calls of m may take before others get its splits and slots. A message
// costs about half a lease.
func (m *Member) patience(rest bool) time.Duration {
	wait := m.lease.Time / 4
	if !rest {
		return max(m.lease.Time/20, shortPatience)
	}
	if m.control.asked() == lease.Asked { // others wait
		return min(wait, shortPatience)
	}
	return wait
}
