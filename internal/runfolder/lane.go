package runfolder

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LanesFolder is where the lanes of a run lie: the journals of attempts at leases.
const LanesFolder = "lanes/"

// LastLease and LastAttempt are the largest numbers of a lease and of an attempt at one.
const (
	LastLease   = 9_999_999
	LastAttempt = 999_999
)

// Lane is what the first record of a lane says. A sealer that creates that record knows none of it.
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

// LaneName is the name of a lane in LanesFolder, with a trailing slash. The names count down, so
// that a listing begins with the newest leases.
func LaneName(lease int64, attempt int) string {
	return LeasePrefix(lease) + strconv.Itoa(attempt) + "/"
}

// LeasePrefix begins the names of the lanes of a lease, and of no other.
func LeasePrefix(lease int64) string { return fmt.Sprintf("%07d-%d-", LastLease-lease, lease) }

// LaneOf is the inverse of LaneName. ok is false for other names.
func LaneOf(name string) (lease int64, attempt int, ok bool) {
	_, rest, _ := strings.Cut(strings.TrimSuffix(name, "/"), "-")
	number, k, _ := strings.Cut(rest, "-")
	lease, err := strconv.ParseInt(number, 10, 64)
	if err != nil || lease < 0 || lease > LastLease {
		return 0, 0, false
	}
	attempt, err = strconv.Atoi(k)
	if err != nil || attempt < 1 || attempt > LastAttempt {
		return 0, 0, false
	}
	return lease, attempt, LaneName(lease, attempt) == name
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

// checkShared checks what a record says about sharing a run between machines.
func (r *CommitRecord) checkShared() error {
	switch {
	case r.Lane != nil && r.From != 0:
		return errors.New("the lane is not in the first record")
	case r.Era != nil && (*r.Era < 0 || *r.Era > r.Number):
		return fmt.Errorf("era %d in record %d", *r.Era, r.Number)
	case r.Era == nil && (r.Shared || len(r.Absorbed) > 0):
		return errors.New("the record has no era")
	case r.Era != nil && (r.Lane != nil || r.Final):
		return errors.New("the record is of a run and of a lane")
	}
	return r.Lane.check()
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
