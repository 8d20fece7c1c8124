package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// numbers maps the name of a counter to its value. A counter that is absent is 0: a new package
// needs no record until it has something to count.
type numbers map[string]int

const header = "# Written by `make guards-record`, checked by `make guards`. No number rises without a reason in the commit.\n"

func read(path string) (numbers, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := numbers{}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, text, _ := strings.Cut(line, " ")
		value, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: want `name value`, got %q", path, i+1, line)
		}
		n[name] = value
	}
	return n, nil
}

func write(path string, n numbers) error {
	var b bytes.Buffer
	b.WriteString(header)
	for _, name := range names(n) {
		fmt.Fprintf(&b, "%s %d\n", name, n[name])
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// names returns the names of all counters that are not 0 in one of the maps, sorted.
func names(all ...numbers) []string {
	set := map[string]bool{}
	for _, n := range all {
		for name, value := range n {
			if value != 0 {
				set[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// table shows every counter in three columns.
func table(now, recorded numbers) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tnow\trecorded")
	for _, name := range names(now, recorded) {
		mark := ""
		if now[name] != recorded[name] {
			mark = "\t<-"
		}
		fmt.Fprintf(w, "%s\t%d\t%d%s\n", name, now[name], recorded[name], mark)
	}
	_ = w.Flush() // a Builder returns no error
	return b.String()
}

// compare returns an error for every number that differs from its record.
func compare(now, recorded numbers) error {
	var errs []error
	for _, name := range names(now, recorded) {
		switch n, r := now[name], recorded[name]; {
		case n > r:
			errs = append(errs, fmt.Errorf("%s rose from %d to %d: bring it down, or run make guards-record and give the reason in the commit", name, r, n))
		case n < r:
			errs = append(errs, fmt.Errorf("%s fell from %d to %d: record the new number: make guards-record", name, r, n))
		}
	}
	return errors.Join(errs...)
}
