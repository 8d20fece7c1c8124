package coord

import (
	"cmp"
	"slices"
	"time"
)

// askIdle asks leases back when workers have nothing to do: a listing is divided while it is read,
// so a lease may have ranges for them.
func (s *State) askIdle(at time.Duration) {
	if len(s.Queue) > 0 || !s.Plan.Done || s.ordered() {
		return
	}
	var found []*Open
	asked := 0
	for i := range s.Open {
		switch o := &s.Open[i]; {
		case o.Held && o.Asked:
			asked++
		case o.Held && s.askable(o) && at-o.Since >= s.probe():
			found = append(found, o)
		}
	}
	idle := s.Control.Capacity() - s.busy()
	slices.SortStableFunc(found, func(a, b *Open) int { // the one with the most to divide
		return cmp.Or(cmp.Compare(b.Part, a.Part), cmp.Compare(b.Until, a.Until))
	})
	for _, o := range found[:min(len(found), max(0, (idle+7)/8-asked), (len(found)+1)/2)] {
		o.Asked = true
	}
}

// probe is the time of a lease that looks for ranges.
func (s *State) probe() time.Duration {
	return max(probeTime(s.busy(), s.Control.short()), s.Probe)
}

// askable reports whether o may return more than one split, of which nobody knows the items.
func (s *State) askable(o *Open) bool {
	return o.Rest > 1 && o.Items == 0 && !o.Shed && !s.ordered() && s.Plan.Done
}

// askShares asks leases back until the shares of the others leave enough of the tolerance.
func (s *State) askShares() {
	for _, kind := range []struct {
		pot   func(*Open) (pot, bool)
		share func(*Open) int64
	}{
		{s.countPot, (*Open).failuresLeft},
		{s.percentPot, func(o *Open) int64 { return o.Shares.Above - int64(s.Control.slots(0)) }},
	} {
		p, limited := kind.pot(nil)
		if !limited || p.left >= 0 {
			continue
		}
		byShare := []*Open{}
		for i := range s.Open {
			switch o := &s.Open[i]; {
			case o.Held && o.Asked:
				p.left += max(0, kind.share(o))
			case o.Held && kind.share(o) > 0:
				byShare = append(byShare, o)
			}
		}
		slices.SortStableFunc(byShare, func(a, b *Open) int { return int(kind.share(b) - kind.share(a)) })
		for _, o := range byShare {
			if p.left >= 0 {
				break
			}
			o.Asked = true
			p.left += kind.share(o)
		}
	}
}
