package journal

import (
	"maps"
	"slices"
)

// Trial names items that were announced before their calls: one item, or the neighbors of a chunk.
type Trial struct {
	Item    Interval `json:"item"`              // what the items settle
	ID      string   `json:"id,omitempty"`      // of the first item
	Crashes int      `json:"crashes,omitempty"` // processes that died while the items were in flight
	Alone   int      `json:"alone,omitempty"`   // of Crashes, those in which nothing else was in flight
	Suspect bool     `json:"suspect,omitempty"` // in flight in three crashes, or in one of a process that settled nothing
	Live    bool     `json:"live,omitempty"`    // may be in flight in the process that wrote the last commit
	Single  bool     `json:"single,omitempty"`  // one item, announced as the only one in flight
}

// trials is Progress.Trials while commits are applied: to look at every trial in every commit, or
// at every suspect in every crash, would take quadratic time. Items that have settled stay for a
// while.
type trials struct {
	suspects map[string][]Trial // by split: in order, disjoint
	live     []Trial            // announced by the last process
	count    int                // suspects in all splits
	pruned   int                // suspects and live trials after settled items were last dropped
}

// suspectFrom is the number of crashes that make a suspect.
const suspectFrom = 3

// pruneFrom is the least number of new trials after which settled items are dropped.
const pruneFrom = 1024

func newTrials(list []Trial) trials {
	t := trials{suspects: map[string][]Trial{}, pruned: len(list)}
	for _, trial := range list {
		if trial.Live {
			t.live = append(t.live, trial)
			continue
		}
		t.suspects[trial.Item.Split] = append(t.suspects[trial.Item.Split], trial)
		t.count++
	}
	return t
}

// all returns the suspects in order, then the live trials.
func (t *trials) all() []Trial {
	out := make([]Trial, 0, t.count+len(t.live))
	for _, split := range slices.Sorted(maps.Keys(t.suspects)) {
		out = append(out, t.suspects[split]...)
	}
	return append(out, t.live...)
}

// OpenTrials returns the trials of items that have not settled.
func (p *Progress) OpenTrials() []Trial {
	if p.owner != p {
		p.Apply()
	}
	p.trials.prune(&p.settled)
	p.Trials = p.trials.all()
	return p.Trials
}

// apply applies what c says about trials.
func (t *trials) apply(c Commit, settled *settledSet) {
	if c.Begins {
		t.crash(settled, c.Stuck)
	}
	if c.Alone {
		t.live = nil
	}
	for _, trial := range c.Trying {
		trial.Crashes, trial.Alone, trial.Suspect, trial.Live = 0, 0, false, true
		t.live = append(t.live, trial)
	}
	if c.Clean {
		t.live = nil
	}
	if t.count+len(t.live) >= 2*t.pruned+settled.count+pruneFrom {
		t.prune(settled)
	}
}

// prune drops the settled trials.
func (t *trials) prune(settled *settledSet) {
	done := func(trial Trial) bool { return settled.has(trial.Item) }
	settled.steps += t.count + len(t.live)
	t.live = slices.DeleteFunc(t.live, done)
	t.count = 0
	for split, list := range t.suspects {
		if list = slices.DeleteFunc(list, done); len(list) == 0 {
			delete(t.suspects, split)
			continue
		}
		t.suspects[split] = list
		t.count += len(list)
	}
	t.pruned = t.count + len(t.live)
}

// drop forgets the trials of splits whose IDs gone accepts.
func (t *trials) drop(gone func(id string) bool) {
	for id, list := range t.suspects {
		if gone(id) {
			delete(t.suspects, id)
			t.count -= len(list)
		}
	}
	t.live = slices.DeleteFunc(t.live, func(trial Trial) bool { return gone(trial.Item.Split) })
}

// crash counts the crash of the process before: it may be due to each unsettled item that was in
// flight.
func (t *trials) crash(settled *settledSet, stuck bool) {
	blamed := map[string][]layer{}
	for _, trial := range t.live {
		for _, gap := range settled.gaps(trial.Item) {
			l := layer{Trial: Trial{Item: gap, ID: trial.ID, Suspect: stuck}, blame: 1}
			if trial.Single {
				l.alone = 1
			}
			blamed[gap.Split] = append(blamed[gap.Split], l)
		}
	}
	t.live = nil
	for split, layers := range blamed {
		t.blame(split, layers, settled)
	}
}

// blame adds the layers of a crash to the suspects of their split.
func (t *trials) blame(split string, layers []layer, settled *settledSet) {
	slices.SortFunc(layers, func(x, y layer) int { return compareIntervals(x.Item, y.Item) })
	list, end := t.suspects[split], layers[0].Item.To
	for _, l := range layers {
		if endsBefore(end, l.Item.To) {
			end = l.Item.To
		}
	}
	from, _ := slices.BinarySearchFunc(list, layers[0].Item.From, func(o Trial, at Cursor) int {
		if startsBefore(at, o.Item.To) {
			return 1
		}
		return -1
	})
	to := from
	for ; to < len(list) && startsBefore(list[to].Item.From, end); to++ {
		layers = append(layers, layer{Trial: list[to]})
	}
	disjoint := overlay(layers)
	settled.steps += len(layers) + len(disjoint)
	t.suspects[split] = slices.Replace(list, from, to, disjoint...)
	t.count += len(disjoint) - (to - from)
}

// layer is a trial, and what the last crash adds to it.
type layer struct {
	Trial
	blame, alone int
}

// overlay makes disjoint trials of layers, which may overlap: the chunk that an item came in may
// have had other ends in an earlier process. An item in flight is blamed once, however often it was
// announced.
func overlay(layers []layer) (out []Trial) {
	slices.SortStableFunc(layers, func(x, y layer) int { return compareIntervals(x.Item, y.Item) })
	var open []layer // those that cover at
	var at Cursor
	for len(layers) > 0 || len(open) > 0 {
		if len(open) == 0 {
			at = layers[0].Item.From
		}
		for len(layers) > 0 && (len(open) == 0 || layers[0].Item.Split == open[0].Item.Split) && layers[0].Item.From == at {
			open = append(open, layers[0])
			layers = layers[1:]
		}
		to := open[0].Item.To
		for _, l := range open[1:] {
			if endsBefore(l.Item.To, to) {
				to = l.Item.To
			}
		}
		if len(layers) > 0 && layers[0].Item.Split == open[0].Item.Split && startsBefore(layers[0].Item.From, to) {
			to = layers[0].Item.From
		}
		out = append(out, combine(open, at, to))
		at = to
		open = slices.DeleteFunc(open, func(l layer) bool { return l.Item.To == to })
	}
	return out
}

// combine is the part of the layers between two cursors.
func combine(open []layer, from, to Cursor) Trial {
	sum := open[0]
	for _, l := range open[1:] {
		sum.Crashes, sum.Alone = max(sum.Crashes, l.Crashes), max(sum.Alone, l.Alone)
		sum.Suspect = sum.Suspect || l.Suspect
		sum.blame, sum.alone = max(sum.blame, l.blame), max(sum.alone, l.alone)
	}
	sum.Item.From, sum.Item.To = from, to
	sum.Crashes += sum.blame
	sum.Alone += sum.alone
	sum.Suspect = sum.Suspect || sum.Crashes >= suspectFrom
	return sum.Trial
}
