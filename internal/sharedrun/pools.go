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

// Pool is that of the leases of an era. Leases of an earlier era share no slots.
func (m *Machine[T, R]) Pool(era int64) *leaserun.Pool {
	p := &m.pools
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
