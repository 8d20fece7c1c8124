package commits

import (
	"encoding/json"
	"slices"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
	"github.com/go-dmap/dmap/internal/scrub"
)

// compacted returns commit c alone, or its union with the last segments. It has span commits. keep
// is how many segments remain before it.
func (s State) compacted(c journal.Commit, x Extra, span int64) (record runfolder.CommitRecord, keep int) {
	from := c.Number + 1 - span
	single := segment{segmentOf(c), 0}
	single.Groups, single.Regrouped, single.Lane = x.Groups, x.Regrouped, x.Lane
	single.Era, single.Shared = s.eraAfter(c)
	keep = slices.IndexFunc(s, func(o segment) bool { return o.From >= from })
	if keep < 0 || span == 1 {
		return single.CommitRecord, len(s)
	}
	merged := append(slices.Clone(s[keep:]), single)
	p := merged.Progress()
	record = runfolder.CommitRecord{
		From: from, Number: c.Number, Settled: convert.Each(p.Settled, storedInterval),
		Counts: storedCounts(p.Counts), States: p.States, Clean: p.Clean, Stop: single.Stop,
		Redrive: (*runfolder.Begun)(p.Begun), Release: storedRelease(p.Release), Prefixes: convert.Each(p.Prefixes.All(), storedPrefix),
		Groups: runfolder.StoredGroups(runfolder.CommittedGroups(merged.Records())),
	}
	record.Edits, record.Tolerance = runfolder.CommittedEdits(merged.Records()), runfolder.CommittedTolerance(merged.Records())
	record.Era, record.Shared, record.Final, record.Lane = single.Era, single.Shared, single.Final, merged[0].Lane
	record.Absorbed = storedLeases(merged.Absorbed())
	record.Regrouped = slices.ContainsFunc(merged, func(o segment) bool { return o.Regrouped })
	if p.Begun != nil {
		dropParts(record.States, p.Begun.Sink)
	}
	if p.Release != nil {
		dropParts(record.States, p.Release.Sink)
	}
	if from == 0 {
		record.Attempted = convert.Each(p.OpenTrials(), storedAttempt)
		return record, keep
	}
	for _, o := range merged {
		record.Steps = append(record.Steps, o.Steps...)
	}
	record.Steps = foldSteps(record.Steps, journal.NewIntervalSet(p.Settled))
	return record, keep
}

// Limits of the texts of a Stop.
const (
	maxReason = 64
	maxError  = 4 << 10
)

// dropParts merges the states of the sink that keeps the journal: the parts that redrives and
// releases dropped need no longer be named.
func dropParts(states map[string][]json.RawMessage, sink string) {
	if state, err := runfolder.DecodeStates(states[sink]); err == nil {
		if text, err := json.Marshal(state); err == nil {
			states[sink] = []json.RawMessage{text}
		}
	}
}

// segmentOf is a single commit.
func segmentOf(c journal.Commit) runfolder.CommitRecord {
	r := runfolder.CommitRecord{
		From: c.Number, Number: c.Number, Settled: convert.Each(c.Settled, storedInterval),
		Counts: storedCounts(c.Counts), Clean: c.Clean, Redrive: (*runfolder.Begun)(c.Redrive),
		Release:  storedRelease(c.Release),
		Prefixes: convert.Each(c.Prefixes, storedPrefix),
		Edits:    StoredEdits(c.Edits), Tolerance: (*runfolder.Tolerance)(c.Tolerance),
		Absorbed: storedLeases(c.Absorbed), Final: c.Final,
	}
	if c.Stop != nil {
		r.Stop = &runfolder.Stop{Reason: scrub.Clip(c.Stop.Reason, maxReason), Error: scrub.Clip(c.Stop.Error, maxError)}
	}
	if len(c.AllStates) > 0 {
		r.States = c.AllStates
	}
	for sink, state := range c.States {
		if r.States == nil {
			r.States = make(map[string][]json.RawMessage, len(c.States))
		}
		r.States[sink] = []json.RawMessage{state}
	}
	if c.Begins || c.Clean || c.Alone || len(c.Trying) > 0 {
		r.Steps = []runfolder.Step{{
			Number: c.Number, Begins: c.Begins, Stuck: c.Stuck, Alone: c.Alone, Clean: c.Clean,
			Announced: convert.Each(c.Trying, storedAttempt),
		}}
	}
	return r
}

// foldSteps merges the steps of a segment into at most one for each process of which an announced
// item is not settled within the segment.
func foldSteps(steps []runfolder.Step, settled journal.IntervalSet) []runfolder.Step {
	var out []runfolder.Step
	for _, s := range steps {
		s.Announced = slices.DeleteFunc(slices.Clone(s.Announced), func(a runfolder.Attempt) bool { return settled.Has(interval(a.Item)) })
		if s.Clean {
			s.Announced = nil
		}
		var last *runfolder.Step
		if len(out) > 0 {
			last = &out[len(out)-1]
		}
		idle := last != nil && last.Begins && len(last.Announced) == 0 // nothing is in flight for s to begin with
		switch {
		case last != nil && (!s.Begins || idle):
			if s.Alone || s.Clean {
				last.Announced = nil
			}
			last.Announced = append(last.Announced, s.Announced...)
			last.Alone, last.Clean = last.Alone || last.Clean || s.Alone, s.Clean
		default:
			out = append(out, s)
		}
	}
	return out
}
