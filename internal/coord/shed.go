package coord

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/lease"
)

// Shed takes back slots that a lease does not need any more, and splits that it will not read,
// while its calls are in flight. If it refuses them nothing changes.
func (s *State) Shed(r lease.Shed, now time.Time) Outcome {
	i, outcome := s.refer(r.Ref)
	if outcome != Accepted {
		return outcome
	}
	o := &s.Open[i]
	if o.Held && o.Shed && s.End == nil && len(r.Rest) == 0 && r.Calls >= 0 && r.Calls < o.Slots {
		o.Slots = r.Calls
		return Accepted
	}
	if !o.Held || o.Shed || s.End != nil {
		return Repeated
	}
	if r.Calls < 0 || s.ordered() || len(r.Rest) > o.Rest || checkRest(o.Splits, r.Rest) != nil {
		return Invalid
	}
	kept := remaining(o.Splits, r.Rest)
	if s.room()+o.reserved()-weights(kept)-weights(r.Rest) < -maxPieces {
		return Invalid
	}
	if s.idle() && len(r.Rest) > 0 {
		s.Probe = nextProbe(s.probe(), len(r.Rest) > len(o.Splits))
	}
	items := o.Items
	if items > 0 {
		items = max(1, items/int64(len(r.Rest)+1))
	}
	for _, split := range r.Rest {
		s.Queue = append(s.Queue, Piece{Split: split, Items: items, Part: o.Part / float64(len(r.Rest))})
	}
	o.Slots = min(r.Calls, o.Slots)
	o.Shed, o.Splits, o.Rest, o.Items = true, kept, len(kept), items
	o.Until = min(o.Until, s.age(now))
	return Accepted
}

// remaining returns the parts of splits that are not in out, which are parts of them.
func remaining(splits, out []dmap.Split) []dmap.Split {
	out = slices.Clone(out)
	slices.SortFunc(out, func(a, b dmap.Split) int {
		if before(a.From, b.From) {
			return -1
		}
		return 1
	})
	kept := []dmap.Split{}
	for _, s := range splits {
		ended := false
		for _, o := range out {
			if ended || !contains(s, o) {
				continue
			}
			if before(s.From, o.From) {
				part := s
				part.To = o.From
				kept = append(kept, part)
			}
			s.From, s.Before, ended = o.To, "", o.To == s.To
		}
		if !ended {
			kept = append(kept, s)
		}
	}
	return kept
}
