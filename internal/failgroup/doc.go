// Package failgroup sorts failures into groups of the same class and the same message, where
// numbers, keys, ids, times, quoted values and addresses count as the same. It is pure: no I/O, no
// clock. The sink stores an Index with the results of a run, and the page of a live run keeps one
// in memory.
//
// An Index is bounded, whatever the failures are: 200 groups of at most 3 samples, 16 key prefixes
// and 60 points in time each. The failures of all other groups are counted in one more group,
// "other", so that the sum of all counts is the number of failures.
package failgroup
