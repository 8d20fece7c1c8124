package runfolder

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The checks of decoded records. A hash only says that a record is as it was written, and anybody
// who may write to the bucket can write a record with its hash.

// maxCount is the largest count that is accepted: the largest integer that every JSON reader has
// exactly. Sums of counts cannot overflow.
const maxCount = 1 << 53

// checkCounts checks numbers of things.
func checkCounts(numbers ...int64) error {
	for _, n := range numbers {
		switch {
		case n < 0:
			return errors.New("a count is negative")
		case n > maxCount:
			return fmt.Errorf("a count is %d: more than %d", n, int64(maxCount))
		}
	}
	return nil
}

// checkLimits checks numbers that a user chose, which may be as large as the type: nothing is
// counted up to them.
func checkLimits(numbers ...int64) error {
	for _, n := range numbers {
		if n < 0 {
			return errors.New("a limit is negative")
		}
	}
	return nil
}

// checkElapsed checks a duration in nanoseconds, the sum over many processes.
func checkElapsed(ns int64) error {
	if ns < 0 || ns > 1<<60 {
		return fmt.Errorf("elapsed is %d ns", ns)
	}
	return nil
}

// checkUnits checks a number of what a function reports. JSON has neither NaN nor infinity.
func checkUnits(units float64) error {
	if units < 0 {
		return fmt.Errorf("units are %v", units)
	}
	return nil
}

func (c *Counts) check() error {
	if err := errors.Join(
		checkCounts(c.Read, c.Taken, c.Succeeded, c.Failed, c.Skipped, c.Calls, c.Retries, c.Held, c.Released),
		checkCounts(c.Redriven, c.Again, c.Gone, c.Bytes, c.Interrupted), checkElapsed(c.Elapsed), checkUnits(c.Units),
	); err != nil {
		return err
	}
	switch {
	case c.Succeeded+c.Failed+c.Skipped+c.Held != c.Read+c.Again:
		return fmt.Errorf("counts do not add up: %d succeeded, %d failed and %d skipped of %d items, %d of which are held",
			c.Succeeded, c.Failed, c.Skipped, c.Read+c.Again, c.Held)
	case c.Gone > c.Again:
		return fmt.Errorf("counts do not add up: %d gone of %d items that ran again", c.Gone, c.Again)
	case c.Taken > c.Read:
		return fmt.Errorf("counts do not add up: %d taken of %d items", c.Taken, c.Read)
	case c.Retries > c.Calls:
		return fmt.Errorf("counts do not add up: %d retries of %d calls", c.Retries, c.Calls)
	}
	return nil
}

func (s *Stats) check() error {
	counts := checkCounts(s.Broken, s.Read, s.Succeeded, s.Failed, s.Skipped, s.Held, s.Pending, s.Calls, s.Retries, int64(s.Stuck), int64(s.Limit))
	return errors.Join(counts, checkCounts(s.Bytes), checkElapsed(s.Elapsed), checkUnits(s.Units))
}

// Compare orders the cursors of one split.
func (c Cursor) Compare(o Cursor) int {
	return cmp.Or(strings.Compare(c.Key, o.Key), cmp.Compare(c.Offset, o.Offset))
}

// checkRange checks that a range of a split begins at or after its start and ends after it begins.
func checkRange(split string, from, to Cursor) error {
	switch {
	case split == "":
		return errors.New("the split has no ID")
	case from.Compare(Cursor{}) < 0:
		return fmt.Errorf("split %q: range begins at offset %d", split, from.Offset)
	case to != Cursor{} && to.Compare(from) <= 0:
		return fmt.Errorf("split %q: range from %v ends at %v, which does not follow", split, from, to)
	}
	return nil
}

// String is for error texts.
func (c Cursor) String() string {
	switch {
	case c.Key == "":
		return fmt.Sprint(c.Offset)
	case c.Offset == 0:
		return fmt.Sprintf("%q", c.Key)
	}
	return fmt.Sprintf("%q+%d", c.Key, c.Offset)
}

func (v *Interval) check() error { return checkRange(v.Split, v.From, v.To) }

func (s *Split) check() error { return checkRange(s.ID, s.From, s.To) }

// checkIntervals checks settled intervals: in order of splits and cursors, without an overlap.
func checkIntervals(list []Interval) error {
	for i := range list {
		v := &list[i]
		if err := v.check(); err != nil {
			return fmt.Errorf("settled interval %d: %w", i, err)
		}
		if i == 0 {
			continue
		}
		if before := &list[i-1]; !before.precedes(v) {
			return fmt.Errorf("settled interval %d: split %q from %v overlaps split %q from %v, or is out of order", i, v.Split, v.From, before.Split, before.From)
		}
	}
	return nil
}

// precedes reports whether v lies before next, which may begin where v ends.
func (v *Interval) precedes(next *Interval) bool {
	if v.Split != next.Split {
		return v.Split < next.Split
	}
	return v.To != Cursor{} && v.To.Compare(next.From) <= 0
}

// checkJournal checks that no item is settled by two records: it would be counted twice.
func checkJournal(records []CommitRecord) error {
	type settled struct {
		*Interval
		commit int64
	}
	var all []settled
	for i := range records {
		for j := range records[i].Settled {
			all = append(all, settled{&records[i].Settled[j], records[i].Number})
		}
	}
	slices.SortFunc(all, func(a, b settled) int {
		return cmp.Or(strings.Compare(a.Split, b.Split), a.From.Compare(b.From))
	})
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; !a.precedes(b.Interval) {
			return fmt.Errorf("commits %d and %d both settle items of split %q from %v", min(a.commit, b.commit), max(a.commit, b.commit), b.Split, b.From)
		}
	}
	return nil
}

// checkAttempts checks announced items.
func checkAttempts(list []Attempt) error {
	for i := range list {
		a := &list[i]
		if err := errors.Join(a.Item.check(), checkCounts(int64(a.Crashes))); err != nil {
			return fmt.Errorf("announced item %d: %w", i, err)
		}
	}
	return nil
}

// checkPrefixes checks the prefixes of sequences, which are in the order of their splits.
func checkPrefixes(list []Prefix) error {
	for i := range list {
		p := &list[i]
		switch {
		case p.Split == "" || i > 0 && p.Split <= list[i-1].Split:
			return fmt.Errorf("prefix %d: split %q is out of order", i, p.Split)
		case p.Items < 0 || p.Items > maxCount || len(p.Hash) != 16 || strings.Trim(p.Hash, hexDigits) != "":
			return fmt.Errorf("prefix %d: split %q: %d items with hash %q", i, p.Split, p.Items, p.Hash)
		}
	}
	return nil
}

func (u *Unread) check() error {
	for i := range u.Splits {
		if err := u.Splits[i].check(); err != nil {
			return fmt.Errorf("unread split %d: %w", i, err)
		}
	}
	if u.After != nil {
		if err := u.After.check(); err != nil {
			return fmt.Errorf("unread after: %w", err)
		}
	}
	return checkIntervals(u.Settled)
}
