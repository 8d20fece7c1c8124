package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is a line of `go test -json`; `go doc test2json` describes it.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64 // seconds
}

// report turns events into lines for people.
type report struct {
	out     io.Writer
	verbose bool
	start   time.Time
	running map[string]*tests // by package
	done    []result
	failed  []string
}

// tests is a package whose tests run.
type tests struct {
	start  time.Time
	active []string            // that have started and not ended, the oldest first
	output map[string][]string // by test; "": of the package
}

type result struct {
	name    string
	elapsed time.Duration
}

func newReport(out io.Writer, verbose bool, now time.Time) *report {
	return &report{out: out, verbose: verbose, start: now, running: map[string]*tests{}}
}

func (r *report) print(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

func (r *report) add(e event, now time.Time) {
	if e.Action == "build-output" {
		r.print("%s", e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.running[e.Package]
	if p == nil {
		p = &tests{start: now, output: map[string][]string{}}
		r.running[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.active = append(p.active, e.Test)
	case "output":
		if r.verbose {
			r.print("%s", e.Output)
		} else {
			p.output[e.Test] = append(p.output[e.Test], e.Output)
		}
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(e, p)
		} else {
			r.endTest(e, p)
		}
	}
}

func (r *report) endTest(e event, p *tests) {
	p.active = slices.DeleteFunc(p.active, func(name string) bool { return name == e.Test })
	if e.Action == "fail" {
		r.print("%s", strings.Join(p.output[e.Test], ""))
	}
	delete(p.output, e.Test)
}

// endPackage prints one line, and before it, if the package has failed, the output of it and its
// unfinished tests.
func (r *report) endPackage(e event, p *tests) {
	delete(r.running, e.Package)
	elapsed := time.Duration(e.Elapsed * float64(time.Second))
	switch e.Action {
	case "skip":
		return // no test files
	case "fail":
		for _, test := range slices.Sorted(maps.Keys(p.output)) {
			r.print("%s", strings.Join(p.output[test], ""))
		}
		r.failed = append(r.failed, e.Package)
		r.print("FAIL  %6.1fs  %s\n", elapsed.Seconds(), short(e.Package))
	default:
		r.print("ok    %6.1fs  %s\n", elapsed.Seconds(), short(e.Package))
	}
	r.done = append(r.done, result{e.Package, elapsed})
}

// short leaves out the path of the repository.
func short(name string) string { return strings.TrimPrefix(name, "github.com/go-dmap/dmap/") }

// progress says what runs, and since when.
func (r *report) progress(now time.Time) {
	since := now.Sub(r.start).Round(time.Second)
	if len(r.running) == 0 {
		r.print("...   %s: %d packages done, go builds the next\n", since, len(r.done))
		return
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(r.running)) {
		p := r.running[name]
		line := fmt.Sprintf("%s (%s", short(name), now.Sub(p.start).Round(time.Second))
		if len(p.active) > 0 {
			line += ", " + p.active[0]
		}
		lines = append(lines, line+")")
	}
	r.print("...   %s: %d packages done, running: %s\n", since, len(r.done), strings.Join(lines, ", "))
}

// finish prints the time, the slowest packages and the failed ones.
func (r *report) finish(now time.Time) {
	slices.SortFunc(r.done, func(a, b result) int { return cmp.Compare(b.elapsed, a.elapsed) })
	var slow []string
	for _, d := range r.done[:min(5, len(r.done))] {
		slow = append(slow, fmt.Sprintf("%s %.1fs", short(d.name), d.elapsed.Seconds()))
	}
	r.print("%d packages in %s; the slowest: %s\n", len(r.done), now.Sub(r.start).Round(time.Second), strings.Join(slow, ", "))
	for _, name := range r.failed {
		r.print("FAILED: %s\n", name)
	}
}
