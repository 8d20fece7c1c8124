package main

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// table is some cases that do the same work.
type table struct {
	name    string                                               // what chooses it: "fanout/b1-c100" is also chosen by "fanout"
	what    string                                               // one line: the work, and what is measured
	unit    string                                               // of the work; empty: item
	n       int64                                                // items unless -n says otherwise
	rounds  int                                                  // unless -rounds says otherwise; 0: 5
	prepare func(ctx context.Context, dir string, n int64) error // once, in the parent; not measured; may be nil

	concurrency int  // calls at once; 0: that of -concurrency
	varies      bool // cases differ in their work: they need not count the same, and may choose their own calls at once
	batch       int  // items per call; 0: the cases do not batch, or know themselves

	figures []figure    // the columns, the most important first; none: CPU us/item, wall and peak
	base    string      // name of the case that ratios are against; empty: the first
	cases   []benchCase // each named once
	owed    []owed
}

// benchCase does the work of its table once, in a process of its own.
type benchCase struct {
	name string
	run  func(ctx context.Context, work workload) (outcome, error)
	ours bool  // the chart accents it, and the command fails if it does
	most int64 // it is left out where there are more items; 0: never

	mayCrash bool // a peer that is known to: the tests run it in a process of its own, and take what comes
}

func (c benchCase) isLeftOut(n int64) bool { return c.most > 0 && n > c.most }

// workload is what a case gets.
type workload struct {
	Dir         string // made by prepare
	Scratch     string // empty folder for results
	N           int64
	Concurrency int
	Batch       int
	Profile     string // folder for a CPU profile; empty: none

	meter *meter // nil in tests
}

// outcome is what a case did. All cases of a table must agree on what succeeded and failed.
type outcome struct {
	Succeeded, Failed int64

	Units  int64              `json:",omitzero"`  // what figures "per unit" divide by; 0: Succeeded + Failed
	Bytes  int64              `json:",omitzero"`  // read or written, for MB per CPU second
	Counts map[string]float64 `json:",omitempty"` // such as requests: see countOf
	Series []point            `json:",omitempty"` // over time, for a line chart
}

// point is how far a case was at one moment.
type point struct {
	At       time.Duration // since the start
	Units    int64
	Resident int64 // bytes
	CPU      time.Duration
}

// measured is what the child process prints.
type measured struct {
	outcome
	CPU, Wall         time.Duration
	Peak              int64 // bytes resident at most, since the start
	Resident          int64 // bytes resident at the start: the program and its data
	Allocs, Allocated int64 // objects and bytes
}

func (m measured) units() float64 {
	if m.Units > 0 {
		return float64(m.Units)
	}
	return float64(m.Succeeded + m.Failed)
}

// owed is a target. It is a ratio to another case in the same round, or a plain figure where against is empty.
type owed struct {
	of      string // case
	figure  figure
	against string  // case
	most    float64 // at most this; 0: there is only a least
	least   float64 // at least this
	from    int64   // items; with fewer it is not judged
	note    string  // what stands behind a number that no case here shows
}

func (t table) unitName() string {
	if t.unit == "" {
		return "item"
	}
	return t.unit
}

func (t table) columns() []figure {
	if len(t.figures) == 0 {
		return []figure{cpuMicros, wallSeconds, peakMiB}
	}
	return t.figures
}

// index finds a case; -1 if there is none of that name.
func (t table) index(name string) int {
	for i, c := range t.cases {
		if c.name == name {
			return i
		}
	}
	return -1
}

// only leaves out the cases whose names do not match.
func (t table) only(name *regexp.Regexp) table {
	t.cases = slices.DeleteFunc(slices.Clone(t.cases), func(c benchCase) bool { return !name.MatchString(c.name) })
	return t
}

// baseIndex is the case that ratios are against.
func (t table) baseIndex() int {
	return max(0, t.index(t.base))
}
