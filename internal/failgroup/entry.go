package failgroup

import (
	"slices"
	"time"
)

// entry is a group with its key in the map.
type entry struct {
	Group
	key   string
	order uint64 // by key
	where places
}

// newEntry returns an empty group. It takes the memory of spare, unless that is nil.
func newEntry(spare *entry, key string) *entry {
	e := &entry{}
	if spare != nil {
		clear(spare.Samples) // their texts
		clear(spare.where.list)
		*spare = entry{
			Group: Group{Samples: spare.Samples[:0], Trend: Trend{Counts: spare.Trend.Counts[:0]}},
			where: places{spare.where.list[:0]},
		}
		e = spare
	}
	e.key = key
	e.ID, e.order = hashOf(key)
	e.Class, e.Message = splitKey(key)
	return e
}

// evictedBefore orders groups for eviction: few failures first.
func (e *entry) evictedBefore(o *entry) bool {
	if e.rank() != o.rank() {
		return e.rank() < o.rank()
	}
	return e.order < o.order || e.order == o.order && e.key < o.key
}

func (e *entry) rank() int64 { return e.Count + e.Over }

func (e *entry) add(f *Failure) {
	e.Count++
	at := stored(f.At)
	e.span(at, at)
	if len(e.Samples) < MaxSamples {
		e.Samples = append(e.Samples, sampleOf(f))
	}
	e.where.add(f.Key)
	e.Trend.add(at, 1)
}

// span makes the group reach from first to last. Zero times are unknown.
func (e *entry) span(first, last time.Time) {
	if !first.IsZero() && (e.First.IsZero() || first.Before(e.First)) {
		e.First = first
	}
	if last.After(e.Last) {
		e.Last = last
	}
}

// merge adds the failures of later, without Over.
func (e *entry) merge(later *entry) {
	e.Count += later.Count
	e.span(later.First, later.Last)
	room := max(0, MaxSamples-len(e.Samples))
	e.Samples = append(e.Samples, later.Samples[:min(room, len(later.Samples))]...)
	e.where.merge(&later.where)
	e.Trend.merge(&later.Trend)
}

func (e *entry) copy() Group {
	g := e.Group
	g.Samples = slices.Clone(e.Samples)
	g.Where = e.where.sorted()
	g.Trend.Counts = slices.Clone(e.Trend.Counts)
	return g
}

// entryOf is a group of FromGroups, with the bounds that Add keeps.
func entryOf(g *Group, key string) *entry {
	e := &entry{Group: *g, key: key}
	e.Samples = slices.Clone(g.Samples[:min(MaxSamples, len(g.Samples))])
	e.Trend.Counts = slices.Clone(g.Trend.Counts)
	e.where = placesOf(g.Where)
	return e
}
