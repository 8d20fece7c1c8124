package journal

// Trial is an item that was announced before its call. Crashes counts the processes that died while
// it was in flight.
type Trial struct {
	Item    Interval `json:"item"` // what the item settles
	ID      string   `json:"id"`
	Crashes int      `json:"crashes,omitempty"`
	Live    bool     `json:"live,omitempty"` // announced by the process that wrote the last commit
}

// applyTrials applies what c says about trials; settled includes the intervals of c.
func (p *Progress) applyTrials(c Commit, settled IntervalSet) {
	if !c.Begins && !c.Clean && len(c.Trying) == 0 && len(c.Back) == 0 {
		return
	}
	var trials []Trial
	for _, t := range p.Trials {
		switch {
		case settled.Has(t.Item):
			continue
		case t.Live && c.Begins:
			t.Crashes++
			t.Live = false
		case c.Clean:
			t.Live = false
		}
		trials = append(trials, t)
	}
	known := make(map[Interval]int, len(trials))
	for i, t := range trials {
		known[t.Item] = i
	}
	for _, t := range c.Trying {
		if i, ok := known[t.Item]; ok {
			trials[i].Live = true
		} else if !settled.Has(t.Item) {
			trials = append(trials, t)
		}
	}
	for _, v := range c.Back {
		if i, ok := known[v]; ok {
			trials[i].Live = false
		}
	}
	p.Trials = trials
}
