package leaserun

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/pieces"
)

// A listing is divided by TrySplit while it is read, by keys that are guessed: that costs requests,
// so ranges of a few pages are left whole. While calls are slow such a range would keep one lease
// busy, and other workers idle. So a lease that others wait for lists the ranges that it leaves,
// and cuts them at keys that exist.

const (
	mostListed   = 5_000 // keys of a range that are listed to cut it
	listedAtOnce = 8     // ranges
	listTime     = 10 * time.Second
	leastPart    = 2 * time.Second // of work: a lease costs some too
)

// divider cuts the ranges that a lease leaves. Its methods are safe for concurrent use.
type divider[T any] struct {
	ctx    context.Context //nolint:containedctx // of the listing
	cancel func()
	plan   dmap.Plan[T]
	most   int          // splits
	least  func() int64 // keys of a part

	mu   sync.Mutex // guards the fields below
	of   []dmap.Split
	cut  []dmap.Split  // instead of these
	done chan struct{} // closed when they are known; nil: nobody has asked
}

func newDivider[T any](ctx context.Context, plan dmap.Plan[T], most int, least func() int64) *divider[T] {
	d := &divider[T]{plan: plan, most: most, least: least}
	d.ctx, d.cancel = context.WithCancel(ctx)
	return d
}

// othersWait reports whether other workers wait for what a lease leaves, which has ended its
// reading for a reason.
func othersWait(l lease.Lease, why lease.Reason) bool {
	return l.Items == 0 && (why == lease.Asked || why == lease.Late && l.Idle)
}

// try returns the splits to leave instead of rest. ok is false while the ranges are listed, which
// the first call begins.
func (d *divider[T]) try(rest []dmap.Split) (cut []dmap.Split, ok bool) {
	select {
	case <-d.begin(rest):
		return d.instead(rest), true
	default:
		return nil, false
	}
}

// wait is as try, and waits for the keys.
func (d *divider[T]) wait(rest []dmap.Split) []dmap.Split {
	<-d.begin(rest)
	return d.instead(rest)
}

// instead is for use after the channel of begin is closed.
func (d *divider[T]) instead(rest []dmap.Split) []dmap.Split {
	if slices.Equal(rest, d.of) {
		return d.cut
	}
	return rest
}

// begin begins to divide the splits that the first call names. The channel is closed at the end.
func (d *divider[T]) begin(rest []dmap.Split) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.of, d.done = rest, make(chan struct{})
		go func() {
			defer close(d.done)
			d.cut = d.divide(rest)
		}()
	}
	return d.done
}

// stop ends the listing.
func (d *divider[T]) stop() {
	d.cancel()
	d.mu.Lock()
	done := d.done
	d.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (d *divider[T]) divide(rest []dmap.Split) []dmap.Split {
	each := d.most / max(1, len(rest))
	if each < 2 || d.plan.Sharing == nil {
		return rest
	}
	ctx, cancel := context.WithTimeout(d.ctx, listTime)
	defer cancel()
	parts, least := make([][]dmap.Split, len(rest)), d.least()
	var group errgroup.Group
	group.SetLimit(listedAtOnce)
	for i, s := range rest {
		parts[i] = []dmap.Split{s}
		if d.plan.Sharing(s) == dmap.SharedByTrySplit {
			group.Go(func() error {
				if cut, how := guard.Call(func() []dmap.Split { return d.cutRange(ctx, s, each, least, len(rest) == 1) }); how == "" {
					parts[i] = cut
				}
				return nil
			})
		}
	}
	_ = group.Wait()
	return slices.Concat(parts...)
}

// cutRange cuts s into n parts of about as many keys, or fewer that have at least least keys. A
// long range is cut only if it is alone, and then at its start: TrySplit divides others when they
// are read. Whoever reads a part meets the errors of listing it.
func (d *divider[T]) cutRange(ctx context.Context, s dmap.Split, n int, least int64, alone bool) (parts []dmap.Split) {
	var m marks
	for p, err := range pieces.Divide(ctx, d.plan, s, pieces.Limits{Items: 1}) {
		if err != nil || p.Split.To == s.To {
			break
		}
		if m.seen == mostListed {
			if !alone {
				return []dmap.Split{s}
			}
			break
		}
		m.add(p.Split.To)
	}
	for _, at := range m.even(min(n, int(int64(m.seen+1)/max(1, least)))) {
		part := s
		part.To = at
		parts = append(parts, part)
		s.From, s.Before = at, ""
	}
	return append(parts, s)
}

// marks are places in a sequence of keys, at most mostMarks, at even distances.
type marks struct {
	seen, every int
	at          []dmap.Cursor
}

const mostMarks = 128

func (m *marks) add(at dmap.Cursor) {
	if m.every == 0 {
		m.every = 1
	}
	if m.seen++; m.seen%m.every != 0 {
		return
	}
	if len(m.at) == mostMarks { // keep each second one
		for i := range mostMarks / 2 {
			m.at[i] = m.at[2*i+1]
		}
		m.at, m.every = m.at[:mostMarks/2], 2*m.every
		if m.seen%m.every != 0 {
			return
		}
	}
	m.at = append(m.at, at)
}

// even returns the places at which n parts begin and end, or all if there are fewer.
func (m *marks) even(n int) (cuts []dmap.Cursor) {
	n = min(n, len(m.at)+1)
	for i := 1; i < n; i++ {
		cuts = append(cuts, m.at[i*(len(m.at)+1)/n-1])
	}
	return cuts
}
