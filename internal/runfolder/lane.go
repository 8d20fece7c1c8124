package runfolder

import "fmt"

// Lane is in the first record of a lane, unless a sealer has created that record.
type Lane struct {
	Lease   int64   `json:"lease"`
	Attempt int     `json:"attempt"`
	Era     int64   `json:"era"`
	Splits  []Split `json:"splits,omitempty"`
}

// LeaseRange are the leases From to To.
type LeaseRange struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// maxRanges is how many ranges of absorbed leases a record may name.
const maxRanges = 100_000

// decodedRange checks a range of a list that is in order.
func decodedRange(before []LeaseRange, r *LeaseRange) error {
	if r.From < 0 || r.To < r.From || r.To > LastLease {
		return fmt.Errorf("leases %d to %d", r.From, r.To)
	}
	if n := len(before); n > 0 && r.From <= before[n-1].To+1 {
		return fmt.Errorf("leases %d to %d follow lease %d", r.From, r.To, before[n-1].To)
	}
	return nil
}

func (l *Lane) check() error {
	if l == nil {
		return nil
	}
	if l.Lease < 0 || l.Lease > LastLease || l.Attempt < 1 || l.Attempt > LastAttempt || l.Era < 0 || l.Era > LastCommit {
		return fmt.Errorf("lane of attempt %d at lease %d in era %d", l.Attempt, l.Lease, l.Era)
	}
	return nil
}

func (l *Lane) fields() (all []twin) {
	if l == nil {
		return nil
	}
	for i := range l.Splits {
		all = append(all, l.Splits[i].fields()...)
	}
	return all
}
