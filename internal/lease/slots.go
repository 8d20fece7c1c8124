package lease

// Slots of a run belong to its leases: the coordinator counts each slot for one open lease. The
// leases of a process may use the slots of each other. When a lease returns, its report says which
// open leases have its slots from then on; the coordinator may give the others to a new lease.

// Grant says how many calls at once leases make. An edit of the limit begins a new edition, from
// which on each lease that reads has Usual slots, whatever it had before.
type Grant struct {
	Edition int64 `json:"edition,omitempty"`
	Usual   int   `json:"slots"` // of a lease
}

// Moved are slots of a lease that has returned, which another lease of its process has.
type Moved struct {
	Lease   int64 `json:"l"`
	Attempt int   `json:"a"`
	Slots   int   `json:"s"`
}

// MostMoved is the largest number of leases that may get the slots of one.
const MostMoved = 100

// Raised are slots that a lease has got from the coordinator since it began, in its edition. Such
// leases began with fewer than Grant.Usual.
type Raised struct {
	Lease   int64 `json:"l"`
	Attempt int   `json:"a"`
	Slots   int   `json:"s"`
}
