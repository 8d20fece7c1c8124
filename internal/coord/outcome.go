package coord

// Outcome says what an event did.
type Outcome string

// The outcomes. Only Accepted and Invalid change the state.
const (
	Accepted   Outcome = "accepted"
	Repeated   Outcome = "repeated"   // the lease has returned, or is lost already; the task is done
	Superseded Outcome = "superseded" // a later attempt was given: it reports this one too
	OtherEra   Outcome = "other era"
	Unknown    Outcome = "unknown" // no lease or attempt has this number
	Invalid    Outcome = "invalid" // the report cannot be right: its attempt counts as lost
)
