package journal

import "encoding/json"

// Progress is the union of the commits of a run. Settled and Trials may be set before the first
// Apply, and must not be changed after it.
type Progress struct {
	Resumed  bool                         // the run was begun before
	Number   int64                        // of the next commit
	Settled  []Interval                   // in order, merged
	Prefixes Prefixes                     // of sequences
	Counts   Counts                       // sums
	States   map[string][]json.RawMessage // of Committers, in the order of the commits
	Clean    bool                         // the last process stopped by itself
	Moved    bool                         // the last process has settled items, or that is not known
	Trials   []Trial                      // announced items; some may have settled
	Begun    *Begun                       // the latest redrive; nil: there was none
	Redrive  *Redrive                     // the redrive that is under way; nil: none. Apply does not set it
	Release  *Release                     // the latest release of held items; nil: there was none
	// Leased says that this is the progress of a lease: an item that runs again was not read in it
	// before. Apply does not set it.
	Leased bool

	owner   *Progress  // whose the fields below are: a copy has its own
	settled settledSet // Settled, for queries
	trials  trials     // Trials, by split
}

// Apply adds commits, in order, to the union. It takes time in proportion to the commits and to the
// state, not to their product.
func (p *Progress) Apply(commits ...Commit) {
	if p.owner != p {
		p.owner, p.settled, p.trials = p, settledSet{set: NewIntervalSet(p.Settled), count: len(p.Settled)}, newTrials(p.Trials)
	}
	for _, c := range commits {
		p.Number = c.Number + 1
		p.Clean = c.Clean
		p.Counts.Add(c.Counts)
		if c.Redrive != nil {
			p.begin(c.Redrive)
		}
		if c.Release != nil {
			p.release(c.Release)
		}
		p.settled.add(c.Settled)
		for _, prefix := range c.Prefixes {
			p.Prefixes.Extend(prefix)
		}
		p.Moved = len(c.Settled) > 0 || p.Moved && !c.Begins
		for sink, state := range c.States {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage)
			}
			p.States[sink] = append(p.States[sink], state)
		}
		for sink, states := range c.AllStates {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage)
			}
			p.States[sink] = append(p.States[sink], states...)
		}
		p.trials.apply(c, &p.settled)
	}
	if p.settled.flush(); p.settled.changed {
		p.Settled, p.settled.changed = p.settled.set.All(), false
	}
	p.Trials = p.trials.all()
}

// settledSet is an IntervalSet to which commits are added at little cost.
type settledSet struct {
	set     IntervalSet
	buffer  Buffer // added, and not yet in set
	count   int    // intervals in set
	changed bool   // set differs from Progress.Settled
	steps   int    // intervals and trials that were looked at, for tests
}

func (s *settledSet) add(list []Interval) { s.buffer.Add(list...) }

// flush brings set up to date.
func (s *settledSet) flush() {
	if s.buffer.Empty() {
		return
	}
	grown, steps := s.set.Union(s.buffer.Take())
	s.count += grown
	s.steps += steps
	s.changed = true
}

func (s *settledSet) has(v Interval) bool {
	s.flush()
	return s.set.Has(v)
}

func (s *settledSet) gaps(v Interval) []Interval {
	s.flush()
	return s.set.Gaps(v)
}

// drop forgets the splits whose IDs gone accepts.
func (s *settledSet) drop(gone func(id string) bool) {
	s.flush()
	for id, list := range s.set {
		if gone(id) {
			delete(s.set, id)
			s.count -= len(list)
			s.changed = true
		}
	}
}
