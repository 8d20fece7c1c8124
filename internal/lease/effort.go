package lease

import "github.com/go-dmap/dmap/dmap"

// Effort sums up work that decides nothing: it is for people.
type Effort struct {
	Plan      int64 `json:"plan,omitempty"`      // dmap.Times.Plan, in ns
	Read      int64 `json:"read,omitempty"`      // dmap.Times.Read, in ns
	Sinks     int64 `json:"sinks,omitempty"`     // dmap.Times.Sinks, in ns
	Calls     int64 `json:"calls,omitempty"`     // their number, as dmap.CallTimes.Count
	Called    int64 `json:"called,omitempty"`    // the time of the calls, in ns
	Written   int64 `json:"written,omitempty"`   // bytes of results
	Throttled int64 `json:"throttled,omitempty"` // calls
	Source    int64 `json:"source,omitempty"`    // dmap.Stats.SourceThrottled
}

// EffortOf is the work of an attempt so far.
func EffortOf(t *dmap.Times, s *dmap.Stats, written int64) Effort {
	return Effort{
		Plan: int64(t.Plan), Read: int64(t.Read), Sinks: int64(t.Sinks), Calls: t.Calls.Count, Called: int64(t.Calls.Sum),
		Written: written, Throttled: s.Throttled, Source: s.SourceThrottled,
	}
}

// Plus is the sum of both. Negative numbers, which cannot be right, count as zero.
func (s Effort) Plus(o Effort) Effort {
	add := func(a, b int64) int64 { return max(a, a+max(b, 0)) }
	return Effort{
		Plan: add(s.Plan, o.Plan), Read: add(s.Read, o.Read), Sinks: add(s.Sinks, o.Sinks), Calls: add(s.Calls, o.Calls),
		Called: add(s.Called, o.Called), Written: add(s.Written, o.Written), Throttled: add(s.Throttled, o.Throttled), Source: add(s.Source, o.Source),
	}
}
