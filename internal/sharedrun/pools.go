package sharedrun

import (
	"sync"

	"github.com/go-dmap/dmap/internal/leaserun"
)

// pools have the leases that the machine runs for the newest host.
type pools struct {
	mu   sync.Mutex
	era  int64
	pool *leaserun.Pool
}

// of returns the pool of an era; nil: it is an earlier one, whose leases share no slots.
func (p *pools) of(era int64) *leaserun.Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if era > p.era || p.pool == nil {
		p.era, p.pool = era, new(leaserun.Pool)
	}
	if era < p.era {
		return nil
	}
	return p.pool
}
