// Package watch collects the state of runs in this process for a page, a terminal or a report. A
// Set makes one Collector for each run, from the rare events of an Observer and from one reading of
// the run a second. Snapshot returns all that is shown, as one value. The memory of a Collector is
// bounded, however long the run takes and however many items fail.
//
// The decisions are pure functions in files of their own: the verdict, the estimate of the end,
// what slows the run, and what a crash would cost.
package watch
