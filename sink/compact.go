package sink

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// journalState is a whole journal: its segments in order, each of which starts where the one before
// ends. A segment is the union of one or more commits, which are compacted by 16 as in a
// log-structured merge tree: see runfolder.FirstOf.
type journalState []runfolder.CommitRecord

// next is the number of the next commit.
func (s journalState) next() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Number + 1
}

// compacted returns the record to write for commit c: c alone, or its union with the last segments.
// keep is how many segments remain before it.
func (s journalState) compacted(c journal.Commit) (record runfolder.CommitRecord, keep int) {
	from := runfolder.FirstOf(c.Number)
	keep = slices.IndexFunc(s, func(o runfolder.CommitRecord) bool { return o.From >= from })
	single := segmentOf(c)
	if keep < 0 {
		return single, len(s)
	}
	merged := append(slices.Clone(s[keep:]), single)
	p := merged.progress()
	record = runfolder.CommitRecord{
		From: from, Number: c.Number, Settled: convert.Each(p.Settled, storedInterval),
		Counts: storedCounts(p.Counts), States: p.States, Clean: p.Clean, Stop: single.Stop,
		Redrive: (*runfolder.Begun)(p.Begun), Prefixes: convert.Each(p.Prefixes.All(), storedPrefix),
	}
	if b := p.Begun; b != nil { // the parts that redrives dropped need no longer be named
		if state, err := runfolder.DecodeStates(p.States[b.Sink]); err == nil {
			if text, err := json.Marshal(state); err == nil {
				record.States[b.Sink] = []json.RawMessage{text}
			}
		}
	}
	if from == 0 {
		record.Attempted = convert.Each(p.Trials, storedAttempt)
		return record, keep
	}
	for _, o := range merged {
		record.Steps = append(record.Steps, o.Steps...)
	}
	return record, keep
}

// segmentOf is a single commit.
func segmentOf(c journal.Commit) runfolder.CommitRecord {
	r := runfolder.CommitRecord{
		From: c.Number, Number: c.Number, Settled: convert.Each(c.Settled, storedInterval),
		Counts: storedCounts(c.Counts), Clean: c.Clean, Redrive: (*runfolder.Begun)(c.Redrive),
		Prefixes: convert.Each(c.Prefixes, storedPrefix),
	}
	if c.Stop != nil {
		r.Stop = &runfolder.Stop{Reason: clip(c.Stop.Reason, maxClass), Error: clip(c.Stop.Error, maxErrorText)}
	}
	for sink, state := range c.States {
		if r.States == nil {
			r.States = make(map[string][]json.RawMessage, len(c.States))
		}
		r.States[sink] = []json.RawMessage{state}
	}
	if c.Begins || c.Clean || len(c.Trying) > 0 || len(c.Back) > 0 {
		r.Steps = []runfolder.Step{{
			Number: c.Number, Begins: c.Begins, Clean: c.Clean,
			Announced: convert.Each(c.Trying, storedAttempt), Returned: convert.Each(c.Back, storedInterval),
		}}
	}
	return r
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
			Prefixes: convert.Each(r.Prefixes, prefix),
		})
		commits = append(commits, convert.Each(r.Steps, step)...)
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
		Redriven: c.Redriven, Again: c.Again, Gone: c.Gone,
	}
}

func counts(c runfolder.Counts) journal.Counts {
	return journal.Counts{
		Read: c.Read, Taken: c.Taken, Succeeded: c.Succeeded, Failed: c.Failed, Skipped: c.Skipped,
		Calls: c.Calls, Retries: c.Retries, Elapsed: time.Duration(c.Elapsed),
		Redriven: c.Redriven, Again: c.Again, Gone: c.Gone,
	}
}

func storedAttempt(t journal.Trial) runfolder.Attempt {
	return runfolder.Attempt{Item: storedInterval(t.Item), ID: t.ID, Crashes: t.Crashes, Live: t.Live}
}

func attempt(a runfolder.Attempt) journal.Trial {
	return journal.Trial{Item: interval(a.Item), ID: a.ID, Crashes: a.Crashes, Live: a.Live}
}

func step(s runfolder.Step) journal.Commit {
	return journal.Commit{
		Number: s.Number, Begins: s.Begins, Clean: s.Clean,
		Trying: convert.Each(s.Announced, attempt), Back: convert.Each(s.Returned, interval),
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
