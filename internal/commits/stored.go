package commits

import (
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

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

// Release is a stored release as the journal has it.
func Release(r *runfolder.Release) *journal.Release {
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
		From: Cursor(v.From), To: Cursor(v.To),
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

// Cursor is a stored cursor as the journal has it.
func Cursor(c runfolder.Cursor) journal.Cursor {
	return journal.Cursor{Key: c.Key, Offset: c.Offset}
}
