// Package wholerun adds up a run on many machines, as one process sees it: the coordinator knows
// the leases that have reported, and the beats of the workers say how far the open leases have
// come. The two are not of one moment. No item counts twice, as an open lease counts either by a
// report or by a beat, and no count falls when a lease ends, as its report has what its beats had.
// Counts fall only by the unsaved items of a worker that was lost: other workers process them
// again.
//
// It is pure: its host reads coordinator and beats, and passes them in.
package wholerun
