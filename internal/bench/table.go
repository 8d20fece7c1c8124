package main

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// table is a set of cases that do the same work.
type table struct {
	name    string                                               // "fanout/b1-c100" is also selected by "fanout"
	what    string                                               // one line: the work, and the measured quantity
	unit    string                                               // unit of n and of figures; empty: item
	n       int64                                                // default of -n
	rounds  int                                                  // default of -rounds; 0: 5
	prepare func(ctx context.Context, dir string, n int64) error // called once in the parent, not measured; may be nil

	concurrency int  // concurrent calls; 0: value of -concurrency
	varies      bool // cases do different work: their counts may differ, and they may set their own concurrency
	batch       int  // items per call; 0: no batches, or chosen by the cases

	figures []figure    // columns, the most important first; none: CPU us/item, wall and peak
	base    string      // name of the case that ratios refer to; empty: the first
	cases   []benchCase // names are unique
	targets []target
}

// benchCase does the work of its table. Each run is a process of its own.
type benchCase struct {
	name string
	run  func(ctx context.Context, work workload) (outcome, error)
	ours bool  // highlighted in the chart; if it fails, the command fails
	most int64 // left out for more items than this; 0: no limit

	mayCrash bool // a peer with known crashes: tests run it in a process of its own and accept any result
}

func (c benchCase) isLeftOut(n int64) bool { return c.most > 0 && n > c.most }

// workload is the input of a case.
type workload struct {
	Dir         string // written by prepare
	Scratch     string // empty folder for results
	N           int64
	Concurrency int
	Batch       int
	Profile     string // folder for a CPU profile; empty: none

	meter *meter // nil in tests
}

// outcome is the result of a case. All cases of a table must agree on Succeeded and Failed.
type outcome struct {
	Succeeded, Failed int64

	Units  int64              `json:",omitzero"`  // divisor of figures "per unit"; 0: Succeeded + Failed
	Bytes  int64              `json:",omitzero"`  // read or written, for MB per CPU second
	Counts map[string]float64 `json:",omitempty"` // named counts, such as requests: see countOf
	Series []point            `json:",omitempty"` // progress over time, for a line chart
}

// point is the progress of a case at one moment.
type point struct {
	At       time.Duration // time since the start
	Units    int64
	Resident int64 // bytes
	CPU      time.Duration
}

// measured is the output of the child process.
type measured struct {
	outcome
	CPU, Wall         time.Duration
	Peak              int64 // maximum resident memory since the start, in bytes
	Resident          int64 // resident memory at the start: the program and its input, in bytes
	Allocs, Allocated int64 // objects and bytes
}

func (m measured) units() float64 {
	if m.Units > 0 {
		return float64(m.Units)
	}
	return float64(m.Succeeded + m.Failed)
}

// target is a bound on a figure of a case: on its ratio to another case in the same round, or on
// the figure itself if against is empty.
type target struct {
	of      string // name of a case
	figure  figure
	against string  // name of the case to compare with; empty: none
	most    float64 // upper bound; 0: none
	least   float64 // lower bound; 0: none
	from    int64   // not judged with fewer items
	note    string  // origin of the bound, if no case shows it
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

// index returns the index of a case, or -1 if no case has the name.
func (t table) index(name string) int {
	for i, c := range t.cases {
		if c.name == name {
			return i
		}
	}
	return -1
}

// only keeps the cases whose names match.
func (t table) only(name *regexp.Regexp) table {
	t.cases = slices.DeleteFunc(slices.Clone(t.cases), func(c benchCase) bool { return !name.MatchString(c.name) })
	return t
}

// baseIndex returns the index of the case that ratios refer to.
func (t table) baseIndex() int {
	return max(0, t.index(t.base))
}
