// Package testsize says how much of a random or exhaustive test runs: little with -short, more
// under make test, all under make long. The race detector makes code up to ten times slower, so a
// test of sequential code may do less with it: make test runs such a package without it, too.
package testsize

import (
	"os"
	"testing"
)

// Sizes are the numbers of repetitions, cases or keys of a test. Usual is required. Short, Race and
// Long are those with -short, with the race detector and under make long; 0 stands for Usual.
type Sizes struct{ Short, Race, Usual, Long int }

// Now returns the number for this process.
func (s Sizes) Now() int {
	return s.pick(testing.Short(), RaceDetector, Long())
}

// Step returns the number for this process, for a test that takes each step-th of its cases: of two
// numbers that hold the larger one counts, which makes the test smaller.
func (s Sizes) Step() int {
	return s.step(testing.Short(), RaceDetector, Long())
}

// Long reports whether make long runs.
func Long() bool { return os.Getenv("DMAP_LONG") != "" }

func (s Sizes) pick(short, race, long bool) int {
	n := s.Usual
	switch {
	case long && s.Long > 0:
		return s.Long
	case long:
		return n
	}
	if race && s.Race > 0 {
		n = s.Race
	}
	if short && s.Short > 0 {
		n = min(n, s.Short)
	}
	return n
}

func (s Sizes) step(short, race, long bool) int {
	n := s.Usual
	switch {
	case long && s.Long > 0:
		return s.Long
	case long:
		return n
	}
	if race {
		n = max(n, s.Race)
	}
	if short {
		n = max(n, s.Short)
	}
	return n
}
