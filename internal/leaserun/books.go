package leaserun

import (
	"cmp"
	"slices"

	"github.com/go-dmap/dmap/internal/lease"
)

// books say whose slots the leases of a process use. The coordinator counts some slots for each
// lease, its own ones. A lease that only finishes lends them to others. The sum of all limits is
// the sum of all own slots, whatever happens.
type books struct{ accounts []*account }

type account struct {
	ref   lease.Ref
	own   int
	loans []loan // to others, one for each of them
}

type loan struct {
	to    *account
	slots int
}

// open adds a lease.
func (b *books) open(ref lease.Ref, own int) *account {
	a := &account{ref: ref, own: own}
	b.accounts = append(b.accounts, a)
	return a
}

// limit is the number of calls that a lease may make at once.
func (b *books) limit(a *account) int { return a.own - a.lent() + b.borrowed(a) }

func (a *account) lent() (n int) {
	for _, l := range a.loans {
		n += l.slots
	}
	return n
}

func (b *books) borrowed(a *account) (n int) {
	for _, from := range b.accounts {
		n += from.loanTo(a)
	}
	return n
}

func (a *account) loanTo(to *account) int {
	for _, l := range a.loans {
		if l.to == to {
			return l.slots
		}
	}
	return 0
}

// lend moves n slots of the limit of one lease to that of another one. Slots that it has borrowed
// go first. n is at most its limit.
func (b *books) lend(from, to *account, n int) {
	for _, lender := range b.accounts {
		if k := min(n, lender.loanTo(from)); k > 0 {
			lender.change(from, -k)
			lender.change(to, k)
			n -= k
		}
	}
	from.change(to, n)
}

// giveBack returns n slots that a lease has borrowed to their owners.
func (b *books) giveBack(from *account, n int) {
	for _, lender := range b.accounts {
		k := min(n, lender.loanTo(from))
		lender.change(from, -k)
		n -= k
	}
}

// change changes the loan to another lease. A lease that gets its own slots back has no loan.
func (a *account) change(to *account, by int) {
	if a == to || by == 0 {
		return
	}
	i := slices.IndexFunc(a.loans, func(l loan) bool { return l.to == to })
	if i < 0 {
		a.loans, i = append(a.loans, loan{to: to}), len(a.loans)
	}
	if a.loans[i].slots += by; a.loans[i].slots == 0 {
		a.loans = slices.Delete(a.loans, i, i+1)
	}
}

// close removes a lease. Its loans become own slots of the others if moved is true: its report says
// so. Otherwise they end.
func (b *books) close(a *account, moved bool) (list []lease.Moved) {
	b.giveBack(a, b.borrowed(a))
	b.accounts = slices.DeleteFunc(b.accounts, func(o *account) bool { return o == a })
	if !moved {
		return nil
	}
	for _, l := range a.loans {
		l.to.own += l.slots
		list = append(list, lease.Moved{Lease: l.to.ref.Lease, Attempt: l.to.ref.Attempt, Slots: l.slots})
	}
	slices.SortFunc(list, func(a, b lease.Moved) int { return cmp.Compare(a.Lease, b.Lease) })
	return list
}

// reset ends all loans, and gives each lease a number of slots.
func (b *books) reset(own func(*account) int) {
	for _, a := range b.accounts {
		a.own, a.loans = own(a), nil
	}
}
