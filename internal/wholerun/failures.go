package wholerun

import "github.com/go-dmap/dmap/internal/lease"

// Failures are the failed items in groups: those that the records of the run have, and those that
// the lanes of other leases have, by their newest beats. The failures of a lease that has sent no
// beat since then are missing until a record of the run takes the lease in. The next attempt at a
// lease that a worker has lost says what the lanes of all attempts have, so nothing counts twice.
func (v *View) Failures() lease.Groups {
	lists := make([]lease.Groups, 0, len(v.failed)+1)
	lists = append(lists, v.summary.Failures)
	for _, list := range v.failed {
		lists = append(lists, list)
	}
	return lease.SumGroups(lists...)
}
