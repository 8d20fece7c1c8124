package coord

import "time"

// Set changes the settings of the run. Leases return that have shares by another tolerance or
// budget, and those that are too many for a lower limit. Another limit begins a new edition of the
// grant.
func (s *State) Set(c Control, now time.Time) error {
	if err := c.Validate(); err != nil {
		return err
	}
	was := s.Control
	s.Control = c
	anew := c.Tolerance != was.Tolerance || c.Budget != was.Budget
	for i, n := len(s.Open)-1, s.busy(); i >= 0; i-- {
		o := &s.Open[i]
		o.Anew = o.Anew || anew
		if o.Held && (anew || n > c.Capacity()) {
			o.Asked = true
			if !o.Shed {
				n--
			}
		}
	}
	if c.Limit != was.Limit || c.PerLease != was.PerLease {
		s.regrant()
	}
	if s.End == nil && s.exceeded(false) {
		s.end(End{Why: Tolerance})
	}
	s.endByBudget()
	s.endByTime(s.age(now))
	return nil
}
