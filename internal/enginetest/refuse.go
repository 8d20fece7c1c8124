package enginetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// wrongOptions: wrong arguments are refused before anything is written.
func wrongOptions(t *testing.T, e Engine) {
	for name, change := range map[string]func(j *Job){
		"a negative limit":   func(j *Job) { j.Options.MaxConcurrency = -1 },
		"a negative rate":    func(j *Job) { j.Options.Rate.Calls = -1 },
		"a wrong tolerance":  func(j *Job) { j.Options.Tolerance.Percentage = 101 },
		"a negative budget":  func(j *Job) { j.Options.Budget.Calls = -1 },
		"negative MaxItems":  func(j *Job) { j.Options.MaxItems = -1 },
		"a wrong run ID":     func(j *Job) { j.ID = "../r" },
		"a negative timeout": func(j *Job) { j.Options.Timeout = -1 },
		"retries of nothing": func(j *Job) { j.Options.Retry.MaxAttempts = -1 },
		"a wrong source": func(j *Job) {
			j.Open = func(*blob.Bucket) dmap.Source[string] { return keys(source.Objects(nil, "in/")) }
		},
	} {
		j := newJob(t)
		j.Open = slice(3)
		j.Call = e.slow(same)
		change(j)
		err := e.run(t, j)
		isTrue(t, err != nil, "%s is not refused", name)
		if !e.Real { // else the error comes from another process, as a text
			equal(t, name+": the exit code", 64, dmap.ExitCode(err))
		}
		equal(t, name+": objects", 0, j.count(t))
	}
}

// changed: a run is not continued with another input.
func changed(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = slice(100)
	j.Options.Budget.Calls = 20
	j.Call = e.slow(same)
	mustBe(t, e.run(t, j), dmap.ErrBudget)
	j.Options.Version = "2"
	mustBe(t, e.run(t, j), dmap.ErrSpecChanged)
	j.Options.Version = ""
	j.Options.Budget = dmap.Budget{}
	must(t, e.run(t, j))
}

// sequence: a source that cannot seek.
func sequence(t *testing.T, e Engine) {
	j := newJob(t)
	j.Open = func(*blob.Bucket) dmap.Source[string] { return source.Seq(slices.Values(values(100))) }
	j.Call = func(_ context.Context, v string) (string, error) { return v, nil }
	e.refusesOr(t, Sequences, j)
	equal(t, "successes", 100, len(j.load().succeeded))
}

// replaced: an object is replaced after a part of it was read. What comes of it must not be a
// mixture.
func replaced(in string) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) {
		j := newJob(t)
		rows := func(text string) {
			var all strings.Builder
			for i := range 300 {
				fmt.Fprintf(&all, "{\"n\":%d,\"of\":%q}\n", 1000+i, text)
			}
			put(t, j.Store, "in/rows.jsonl", []byte(all.String()))
		}
		rows("old")
		type row struct {
			N  int
			Of string
		}
		j.Open = func(b *blob.Bucket) dmap.Source[string] {
			text := func(_ context.Context, r row) (string, error) { return fmt.Sprint(r.N, r.Of), nil }
			if in == "flatten" {
				return source.Transform(source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[row] { return source.JSONLinesOf[row](o) }), text)
			}
			return source.Transform(source.JSONLines[row](b, "in/rows.jsonl"), text)
		}
		j.Options.Budget.Calls = 20
		j.Call = e.slow(same)
		mustBe(t, e.run(t, j), dmap.ErrBudget)
		before := len(j.load().succeeded)
		must(t, j.Store.Delete(t.Context(), "in/rows.jsonl"))
		rows("new")
		j.Options.Budget = dmap.Budget{}
		err := e.run(t, j)
		isTrue(t, err != nil, "a mixture of two versions has succeeded")
		if e.Machines > 1 { // the error comes from another machine, as a text
			isTrue(t, strings.Contains(fmt.Sprint(err), "version of"), "the error names the version, got %v", err)
			err = j.local(t.Context())
		}
		if in == "alone" {
			mustBe(t, err, dmap.ErrSpecChanged)
		} else {
			mustBe(t, err, dmap.ErrTolerance) // it breaks off
		}
		equal(t, "successes", before, len(j.load().succeeded))
	}
}
