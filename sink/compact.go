package sink

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
	"github.com/go-dmap/dmap/internal/scrub"
)

// journalState is a whole journal: its segments in order, each starts where the one before ends.
// A segment is the union of one or more commits, which are compacted by 16 as in a log-structured
// merge tree: see runfolder.Spans.
type journalState []segment

// segment is a record, and the bytes that it takes in the folder.
type segment struct {
	runfolder.CommitRecord
	size int
}

// maxCompacted is the largest size of a record of several commits: larger ones stay apart. A record
// of one commit may have up to runfolder.MaxCommit bytes.
const maxCompacted = 64 << 20

// stateOf makes a state of the records of a folder.
func stateOf(records []runfolder.CommitRecord) (s journalState) {
	for _, record := range records {
		s = append(s, segment{CommitRecord: record})
	}
	return s
}

func (s journalState) records() []runfolder.CommitRecord {
	return convert.Each(s, func(o segment) runfolder.CommitRecord { return o.CommitRecord })
}

// next is the number of the next commit.
func (s journalState) next() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Number + 1
}

// encode returns the object of the record to write for commit c, and the segments with it in place
// of those that it holds. It holds as many of the last commits as fit in most bytes.
func (s journalState) encode(writer string, c journal.Commit, g grouping, most int) (content []byte, next journalState, err error) {
	for _, span := range runfolder.Spans(c.Number) {
		record, keep := s.compacted(c, g, span)
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
func (s journalState) tooLarge(union runfolder.CommitRecord, most int) bool {
	size := 0
	for _, states := range union.States {
		for _, state := range states {
			size += len(state)
		}
	}
	return size > most
}

// compacted returns commit c alone, or its union with the last segments. It has span commits. keep
// is how many segments remain before it.
func (s journalState) compacted(c journal.Commit, g grouping, span int64) (record runfolder.CommitRecord, keep int) {
	from := c.Number + 1 - span
	single := segment{segmentOf(c), 0}
	single.Groups, single.Regrouped = g.list, g.regrouped
	keep = slices.IndexFunc(s, func(o segment) bool { return o.From >= from })
	if keep < 0 || span == 1 {
		return single.CommitRecord, len(s)
	}
	merged := append(slices.Clone(s[keep:]), single)
	p := merged.progress()
	record = runfolder.CommitRecord{
		From: from, Number: c.Number, Settled: convert.Each(p.Settled, storedInterval),
		Counts: storedCounts(p.Counts), States: p.States, Clean: p.Clean, Stop: single.Stop,
		Redrive: (*runfolder.Begun)(p.Begun), Release: storedRelease(p.Release), Prefixes: convert.Each(p.Prefixes.All(), storedPrefix),
		Groups: runfolder.StoredGroups(runfolder.CommittedGroups(merged.records())),
	}
	record.Edits, record.Tolerance = runfolder.CommittedEdits(merged.records()), runfolder.CommittedTolerance(merged.records())
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
		Edits:    storedEdits(c.Edits), Tolerance: (*runfolder.Tolerance)(c.Tolerance),
	}
	if c.Stop != nil {
		r.Stop = &runfolder.Stop{Reason: scrub.Clip(c.Stop.Reason, maxClass), Error: scrub.Clip(c.Stop.Error, maxErrorText)}
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

// progress is the union of the segments. An item that was announced and settled within one segment
// is not in it, which changes nothing: only items that have not settled matter.
func (s journalState) progress() (p journal.Progress) {
	var commits []journal.Commit
	for _, r := range s {
		if r.From == 0 {
			p.Trials = convert.Each(r.Attempted, attempt)
		}
		commits = append(commits, journal.Commit{
			Number: r.Number, Settled: convert.Each(r.Settled, interval), Counts: counts(r.Counts),
			Redrive:  (*journal.Begun)(r.Redrive),
			Release:  release(r.Release),
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
	p.Number = s.next()
	p.Clean = len(s) > 0 && s[len(s)-1].Clean
	return p
}

func storedCounts(c journal.Counts) runfolder.Counts {
	return runfolder.Counts{
		Read: c.Read, Taken: c.Taken, Succeeded: c.Succeeded, Failed: c.Failed, Skipped: c.Skipped,
		Calls: c.Calls, Retries: c.Retries, Elapsed: c.Elapsed.Nanoseconds(),
		Held: c.Held, Released: c.Released, Redriven: c.Redriven, Again: c.Again, Gone: c.Gone, Interrupted: c.Interrupted,
		Bytes: c.Bytes, Units: c.Units,
	}
}

func counts(c runfolder.Counts) journal.Counts {
	return journal.Counts{
		Read: c.Read, Taken: c.Taken, Succeeded: c.Succeeded, Failed: c.Failed, Skipped: c.Skipped,
		Calls: c.Calls, Retries: c.Retries, Elapsed: time.Duration(c.Elapsed),
		Held: c.Held, Released: c.Released, Redriven: c.Redriven, Again: c.Again, Gone: c.Gone, Interrupted: c.Interrupted,
		Bytes: c.Bytes, Units: c.Units,
	}
}

func storedRelease(r *journal.Release) *runfolder.Release {
	if r == nil {
		return nil
	}
	return &runfolder.Release{
		Number: r.Number, Sink: r.Sink, Redrive: r.Redrive, Newest: r.Newest,
		Taken: convert.Each(r.Parts, func(p journal.ReleasedPart) runfolder.Part { return runfolder.Part(p) }),
	}
}

func release(r *runfolder.Release) *journal.Release {
	if r == nil {
		return nil
	}
	return &journal.Release{
		Number: r.Number, Sink: r.Sink, Redrive: r.Redrive, Newest: r.Newest,
		Parts: convert.Each(r.Taken, func(p runfolder.Part) journal.ReleasedPart { return journal.ReleasedPart(p) }),
	}
}

func storedAttempt(t journal.Trial) runfolder.Attempt {
	return runfolder.Attempt{
		Item: storedInterval(t.Item), ID: t.ID, Crashes: t.Crashes, Alone: t.Alone, Suspect: t.Suspect, Live: t.Live, Single: t.Single,
	}
}

func attempt(a runfolder.Attempt) journal.Trial {
	return journal.Trial{
		Item: interval(a.Item), ID: a.ID, Crashes: a.Crashes, Alone: a.Alone, Suspect: a.Suspect, Live: a.Live, Single: a.Single,
	}
}

func step(s runfolder.Step) journal.Commit {
	return journal.Commit{
		Number: s.Number, Begins: s.Begins, Stuck: s.Stuck, Alone: s.Alone, Clean: s.Clean,
		Trying: convert.Each(s.Announced, attempt),
	}
}

func interval(v runfolder.Interval) journal.Interval {
	return journal.Interval{
		Split: v.Split, Version: v.Version,
		From: journalCursor(v.From), To: journalCursor(v.To),
	}
}

func storedInterval(v journal.Interval) runfolder.Interval {
	return runfolder.Interval{
		Split: v.Split, Version: v.Version,
		From: runfolder.Cursor{Key: v.From.Key, Offset: v.From.Offset}, To: runfolder.Cursor{Key: v.To.Key, Offset: v.To.Offset},
	}
}

func prefix(p runfolder.Prefix) journal.Prefix {
	return journal.Prefix{Split: p.Split, Items: p.Items, Hash: p.Hash, Ended: p.Ended}
}

func storedPrefix(p journal.Prefix) runfolder.Prefix {
	return runfolder.Prefix{Split: p.Split, Items: p.Items, Hash: p.Hash, Ended: p.Ended}
}
