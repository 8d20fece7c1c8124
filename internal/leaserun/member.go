package leaserun

import "github.com/go-dmap/dmap/internal/lease"

// member is a lease of a Pool, which guards it.
type member struct {
	control *Control
	account *account
	slots   int  // that the run has now
	uses    int  // the most calls that it has left; 0: it reads
	raised  int  // orders have added to the own slots in this edition
	gave    bool // it has given splits or slots back
}

func (m *member) set(slots int) {
	if slots != m.slots {
		m.slots = slots
		m.control.SetSlots(slots)
	}
}

// lower lowers the slots, unless more calls run by now. At least one remains.
func (m *member) lower(slots int) bool {
	was := m.slots
	m.set(min(was, max(1, slots)))
	if stats, _ := m.control.Stats(); stats.InFlight > max(1, slots) {
		m.set(was)
		return false
	}
	return true
}

// raise adds the slots that orders say.
func (m *member) raise(r lease.Raised) {
	if ref := m.account.ref; r.Lease != ref.Lease || r.Attempt != ref.Attempt || m.gave || r.Slots <= m.raised {
		return
	}
	m.account.own += r.Slots - m.raised
	m.raised = r.Slots
}
