// Package convert translates between the engine's types and those of the stored format, for the
// packages that know both.
package convert

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Cursor is a stored cursor as the engine has it.
func Cursor(c runfolder.Cursor) dmap.Cursor { return dmap.Cursor{Key: c.Key, Offset: c.Offset} }

// StoredCursor is the inverse of Cursor.
func StoredCursor(c dmap.Cursor) runfolder.Cursor {
	return runfolder.Cursor{Key: c.Key, Offset: c.Offset}
}

// Split is a stored split as the engine has it.
func Split(s runfolder.Split) dmap.Split {
	return dmap.Split{ID: s.ID, Object: s.Object, Version: s.Version, From: Cursor(s.From), To: Cursor(s.To), Before: s.Before}
}

// StoredSplit is the inverse of Split.
func StoredSplit(s dmap.Split) runfolder.Split {
	return runfolder.Split{ID: s.ID, Object: s.Object, Version: s.Version, From: StoredCursor(s.From), To: StoredCursor(s.To), Before: s.Before}
}

// settled is a stored settled interval as the engine has it in an Unread.
func settled(v runfolder.Interval) dmap.Split {
	return dmap.Split{ID: v.Split, Version: v.Version, From: Cursor(v.From), To: Cursor(v.To)}
}

func storedSettled(s dmap.Split) runfolder.Interval {
	return runfolder.Interval{Split: s.ID, Version: s.Version, From: StoredCursor(s.From), To: StoredCursor(s.To)}
}

// Unread is a stored Unread as the engine has it.
func Unread(u runfolder.Unread) dmap.Unread {
	out := dmap.Unread{All: u.All, Splits: Each(u.Splits, Split), Settled: Each(u.Settled, settled)}
	if u.After != nil {
		after := Split(*u.After)
		out.After = &after
	}
	return out
}

// StoredUnread is the inverse of Unread.
func StoredUnread(u dmap.Unread) runfolder.Unread {
	out := runfolder.Unread{All: u.All, Splits: Each(u.Splits, StoredSplit), Settled: Each(u.Settled, storedSettled)}
	if u.After != nil {
		after := StoredSplit(*u.After)
		out.After = &after
	}
	return out
}

// Stats are the stored counts of the run runID as the engine has them.
func Stats(runID string, s runfolder.Stats) dmap.Stats {
	return dmap.Stats{
		RunID: runID, Read: s.Read, Succeeded: s.Succeeded, Failed: s.Failed, Skipped: s.Skipped, Held: s.Held, Pending: s.Pending,
		Calls: s.Calls, Retries: s.Retries, Stuck: s.Stuck, Limit: s.Limit, Truncated: s.Truncated, BrokenObjects: s.Broken,
		Started: s.Started, Elapsed: time.Duration(s.Elapsed), Bytes: s.Bytes, Units: s.Units,
	}
}

// EndedStats are the Stats of a run that has ended, by its manifest.
func EndedStats(m *runfolder.Manifest) dmap.Stats {
	s := Stats(m.RunID, m.Stats)
	s.State, s.Reason, s.Redrives = dmap.StateEnded, m.Reason, m.Redrive
	return s
}

// CommittedStats are the counts of an open run, by its commits. Items that were read and never
// settled are not among them: the next process reads them again. Items that a redrive took, and
// held items that were released, are pending.
func CommittedStats(file *runfolder.RunFile, commits []runfolder.CommitRecord) dmap.Stats {
	s := dmap.Stats{RunID: file.RunID, State: dmap.StateOpen, Started: file.Started}
	for _, c := range commits {
		s.Read += c.Counts.Read
		s.Succeeded += c.Counts.Succeeded
		s.Failed += c.Counts.Failed - c.Counts.Redriven
		s.Held += c.Counts.Held - c.Counts.Released
		s.Pending += c.Counts.Redriven + c.Counts.Released - c.Counts.Again
		s.Skipped += c.Counts.Skipped
		s.Calls += c.Counts.Calls
		s.Retries += c.Counts.Retries
		s.Elapsed += time.Duration(c.Counts.Elapsed)
		s.Bytes = journal.AddBytes(s.Bytes, c.Counts.Bytes)
		s.Units = journal.AddUnits(s.Units, c.Counts.Units)
	}
	return s
}

// StoredStats is the inverse of Stats. It leaves out what an ended run does not have: calls in
// flight and waiting retries.
func StoredStats(s dmap.Stats) runfolder.Stats {
	return runfolder.Stats{
		Read: s.Read, Succeeded: s.Succeeded, Failed: s.Failed, Skipped: s.Skipped, Held: s.Held, Pending: s.Pending,
		Calls: s.Calls, Retries: s.Retries, Stuck: s.Stuck, Limit: s.Limit, Truncated: s.Truncated, Broken: s.BrokenObjects,
		Started: runfolder.Time(s.Started), Elapsed: s.Elapsed.Nanoseconds(), Bytes: s.Bytes, Units: s.Units,
	}
}

// Decision is a stored decision as the engine has it, nil for nil.
func Decision(d *runfolder.Decided, reason string, holds int) *dmap.Decision {
	if d == nil {
		return nil
	}
	return &dmap.Decision{Approved: d.Approved, By: d.By, At: d.At, Note: d.Note, Reason: reason, Holds: holds}
}

// Each converts the elements of list. The result of an empty list is nil.
func Each[A, B any](list []A, one func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = one(a)
	}
	return out
}
