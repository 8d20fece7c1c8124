// Package commits is the state of a journal in a folder: the commits that its records hold, the
// record to write for the next commit, and the progress of the run. Package sink keeps the journal
// of a run by it, package lanes those of leases.
package commits

import (
	"encoding/json"
	"errors"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// State is a whole journal: its segments in order, each starts where the one before ends.
// A segment is the union of one or more commits, which are compacted by 16 as in a log-structured
// merge tree: see runfolder.Spans.
type State []segment

// segment is a record, and the bytes that it takes in the folder.
type segment struct {
	runfolder.CommitRecord
	size int
}

// MaxBytes is the largest size of a record of several commits: larger ones stay apart. A record
// of one commit may have up to runfolder.MaxCommit bytes.
const MaxBytes = 64 << 20

// Extra is what a record says beyond its commit.
type Extra struct {
	Groups    []runfolder.FailureGroup
	Regrouped bool            // Groups replace those of the commits before
	Lane      *runfolder.Lane // of record 0 of a lane
}

// StateOf makes a state of the records of a folder.
func StateOf(records []runfolder.CommitRecord) (s State) {
	for _, record := range records {
		s = append(s, segment{CommitRecord: record})
	}
	return s
}

// Records are the records of the state, in order.
func (s State) Records() []runfolder.CommitRecord {
	return convert.Each(s, func(o segment) runfolder.CommitRecord { return o.CommitRecord })
}

// Next is the number of the next commit.
func (s State) Next() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Number + 1
}

// Encode returns the object of the record to write for commit c, and the segments with it in place
// of those that it holds. It holds as many of the last commits as fit in most bytes.
func (s State) Encode(writer string, c journal.Commit, x Extra, most int) (content []byte, next State, err error) {
	for _, span := range runfolder.Spans(c.Number) {
		record, keep := s.compacted(c, x, span)
		if span > 1 && s[keep:].tooLarge(record, most) {
			continue
		}
		content, err = runfolder.EncodeCommit(writer, record)
		if span > 1 && (errors.Is(err, runfolder.ErrTooLarge) || len(content) > most) {
			continue
		}
		return content, append(s[:keep:keep], segment{record, len(content)}), err
	}
	panic("the last span is 1")
}

// tooLarge reports whether a union of segments surely has more than most bytes: the states of sinks
// do not get smaller.
func (s State) tooLarge(union runfolder.CommitRecord, most int) bool {
	size := 0
	for _, states := range union.States {
		for _, state := range states {
			size += len(state)
		}
	}
	return size > most
}

// Progress is the union of the segments. An item that was announced and settled within one segment
// is not in it, which changes nothing: only items that have not settled matter.
func (s State) Progress() (p journal.Progress) {
	var commits []journal.Commit
	for _, r := range s {
		if r.From == 0 {
			p.Trials = convert.Each(r.Attempted, attempt)
		}
		commits = append(commits, journal.Commit{
			Number: r.Number, Settled: convert.Each(r.Settled, interval), Counts: counts(r.Counts),
			Redrive:  (*journal.Begun)(r.Redrive),
			Release:  Release(r.Release),
			Prefixes: convert.Each(r.Prefixes, prefix),
		})
		commits = append(commits, convert.Each(r.Steps, step)...)
		if r.From < r.Number && len(r.Settled) > 0 { // whether that was before the last step or after it is not known
			commits = append(commits, journal.Commit{Number: r.Number, Settled: convert.Each(r.Settled[:1], interval)})
		}
		for sink, states := range r.States {
			if p.States == nil {
				p.States = make(map[string][]json.RawMessage, len(r.States))
			}
			p.States[sink] = append(p.States[sink], states...)
		}
	}
	p.Apply(commits...)
	p.Number = s.Next()
	p.Clean = len(s) > 0 && s[len(s)-1].Clean
	return p
}

// LatestRelease is the latest release of held items, nil if there was none.
func (s State) LatestRelease() *runfolder.Release {
	for i := len(s) - 1; i >= 0; i-- {
		if e := s[i].Release; e != nil {
			return e
		}
	}
	return nil
}
