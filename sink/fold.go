package sink

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/journal"
)

// foldBase is how many folds of a length become one of the next.
const foldBase = 16

// fold is what a record of the journal holds: the union of the commits From to Number. Record n reaches back as far as the
// largest power of foldBase that divides n+1. So a resume reads at most 15 records for each digit of n+1 in base 16, a
// million commits need 75, and a commit is written once for each digit.
type fold struct {
	From    int64                        `json:"from"`
	Number  int64                        `json:"number"`
	Settled []journal.Interval              `json:"settled,omitempty"`
	Counts  journal.Counts                  `json:"counts"`
	States  map[string][]json.RawMessage `json:"states,omitempty"` // in the order of their commits
	Clean   bool                         `json:"clean,omitempty"`  // of the last commit
	Steps   []journal.Commit                `json:"steps,omitempty"`  // what the commits say about processes and trials
	Trials  []journal.Trial                 `json:"trials,omitempty"` // what follows from the steps, if From is 0
}

// firstOf is the first commit that record n holds.
func firstOf(n int64) int64 {
	span := int64(1)
	for (n+1)%(span*foldBase) == 0 {
		span *= foldBase
	}
	return n + 1 - span
}

// folds is a whole journal: records in order, each beginning where the one before ends.
type folds []fold

// next is the number of the next commit.
func (f folds) next() int64 {
	if len(f) == 0 {
		return 0
	}
	return f[len(f)-1].Number + 1
}

// record returns the record of c, and how many of the folds stay as they are once it is written.
func (f folds) record(c journal.Commit) (record fold, stay int) {
	from := firstOf(c.Number)
	stay = slices.IndexFunc(f, func(o fold) bool { return o.From >= from })
	if stay < 0 {
		stay = len(f)
	}
	one := foldOf(c)
	if stay == len(f) {
		return one, stay
	}
	merged := append(slices.Clone(f[stay:]), one)
	p := merged.progress()
	record = fold{From: from, Number: c.Number, Settled: p.Settled, Counts: p.Counts, States: p.States, Clean: p.Clean}
	if from == 0 {
		record.Trials = p.Trials
		return record, stay
	}
	for _, o := range merged {
		record.Steps = append(record.Steps, o.Steps...)
	}
	return record, stay
}

// foldOf is a single commit.
func foldOf(c journal.Commit) fold {
	f := fold{From: c.Number, Number: c.Number, Settled: c.Settled, Counts: c.Counts, Clean: c.Clean}
	for sink, state := range c.States {
		if f.States == nil {
			f.States = make(map[string][]json.RawMessage, len(c.States))
		}
		f.States[sink] = []json.RawMessage{state}
	}
	step := journal.Commit{Number: c.Number, Begins: c.Begins, Clean: c.Clean, Trying: c.Trying, Back: c.Back}
	if c.Begins || c.Clean || len(c.Trying) > 0 || len(c.Back) > 0 {
		f.Steps = []journal.Commit{step}
	}
	return f
}

// progress is the union. Trials that settle within a fold are gone in it from the start, which makes no difference: only
// those that have not settled count.
func (f folds) progress() (p journal.Progress) {
	var commits []journal.Commit
	for _, o := range f {
		if o.From == 0 {
			p.Trials = slices.Clone(o.Trials)
		}
		commits = append(commits, journal.Commit{Number: o.Number, Settled: o.Settled, Counts: o.Counts})
		commits = append(commits, o.Steps...)
		for sink, states := range o.States {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage, len(o.States))
			}
			p.States[sink] = append(p.States[sink], states...)
		}
	}
	p.Apply(commits...)
	p.Number = f.next()
	p.Clean = len(f) > 0 && f[len(f)-1].Clean
	return p
}

// lastCommit is the largest number that a record can have: names count down from it, so that a listing begins with the
// newest.
const lastCommit = 999_999_999_999

// commitName is the name of record n in the folder of the commits.
func commitName(n int64) string { return fmt.Sprintf("%012d-%d.json", lastCommit-n, n) }

// commitNumber is the number of a record by its name; false if no record is called so.
func commitNumber(name string) (int64, bool) {
	_, rest, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
	n, err := strconv.ParseInt(rest, 10, 64)
	return n, err == nil && n >= 0 && n <= lastCommit && commitName(n) == name
}
