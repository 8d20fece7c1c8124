package journal

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Redrive is a redrive that is under way: failed items of an ended run were taken out of its
// results and are processed again.
type Redrive struct {
	Number int  // from 1
	Trial  bool // only taken items are read, nothing else of the source
	Done   bool // the source has no other unsettled items: only taken ones are read
	// Unfinished says of a trial that the run had left items pending or unread, as it still does
	// when the trial ends.
	Unfinished bool
	Parts      []TakenPart
	// Items is the number of items that this redrive took, of those that had failed.
	Items int64
	// The items that do not take part: those that stay failed, those that have succeeded, and those
	// that a trial leaves pending.
	Failed, Succeeded, Waiting int64
	// Rest is the number of items that were read before and that a trial leaves pending, without
	// those that an earlier redrive took. 0: this is no trial.
	Rest int64
	// Rests are those of objects that had broken off when the run ended. An object that was mended
	// since is read on.
	Rests Rests
	// Begins is what the journal has to say before the redrive counts; nil: it does already.
	Begins *Begun
	// Changed takes rows of objects that have changed, if they are still the same rows.
	Changed bool
	// State is what the redrive makes of the results: the state of the sink that keeps the journal,
	// for the commit with Begins.
	State json.RawMessage
}

// TakenPart is a stored list of taken items, or a part of one, in the order of their splits and
// positions. It is read as a split of its own: its cursors are offsets in the list.
type TakenPart struct {
	Split    string // TakenSplit of its name, or that of a release
	From, To int64  // offsets in bytes; the whole list ends with its size
}

// Interval is all of p.
func (p TakenPart) Interval() Interval {
	return Interval{Split: p.Split, From: Cursor{Offset: p.From}, To: Cursor{Offset: p.To}}
}

// TakenItem is an item that failed before, and where the source yields it again.
type TakenItem struct {
	Split   string // of the source
	Version string
	Start   Cursor // a reading of Split from here yields the item
	Next    Cursor // and this is its Next
	Key     string
	Offset  int64
	Index   int64
	From    *Cursor // where the reading began from which Index counts; nil: not known
	Header  string  // of the object of a row
	After   int64   // the cursor after the item in the taken part

	Decision *Decision // about the last hold of the item; nil: it was not held
}

// Begun says that a redrive begins with a commit.
type Begun struct {
	Number int `json:"number"`
	// Sink is the position of the sink that keeps the journal.
	Sink string `json:"sink"`
	// Gone is Counts.Gone before the redrive.
	Gone int64 `json:"gone,omitempty"`
	// Waiting are the splits of items that earlier redrives took and that still wait: their settled
	// intervals count.
	Waiting []string `json:"waiting,omitempty"`
}

// takenPrefix and releasedPrefix begin the IDs of splits of taken items. The names of their parts
// are unique, so no split of a source has such an ID.
const (
	takenPrefix    = "dmap:redrive/"
	releasedPrefix = "dmap:release/"
)

// TakenSplit is the ID of the split that reads the part of this name, which redrive n wrote.
func TakenSplit(n int, name string) string { return takenPrefix + strconv.Itoa(n) + "/" + name }

// IsTakenSplit reports whether the split reads taken items, of a redrive or of a release.
func IsTakenSplit(id string) bool {
	return strings.HasPrefix(id, takenPrefix) || IsReleasedSplit(id)
}

// ends reports whether a split of an earlier redrive means nothing any more once b has begun. The
// decided items of a release run in any redrive.
func (b *Begun) ends(id string) bool {
	return b != nil && strings.HasPrefix(id, takenPrefix) && !strings.HasPrefix(id, TakenSplit(b.Number, "")) &&
		!slices.Contains(b.Waiting, id)
}

// Begin adds to c what the record that begins the redrive says. sink is the position of the sink
// that keeps the journal. It does nothing if the redrive has begun, or if there is none.
func (p *Progress) Begin(c *Commit, sink string) {
	if p.Redrive == nil || p.Redrive.Begins == nil {
		return
	}
	begins := *p.Redrive.Begins
	begins.Sink, begins.Gone = sink, p.Counts.Gone
	c.Redrive, c.Counts.Redriven = &begins, p.Redrive.Items
	c.States = map[string]json.RawMessage{sink: p.Redrive.State}
}

// InTrial reports whether a trial has items of its own to process: it leaves all others as they
// are.
func (p *Progress) InTrial() bool {
	if p.Redrive == nil || !p.Redrive.Trial {
		return false
	}
	settled := NewIntervalSet(p.Settled)
	return slices.ContainsFunc(p.Redrive.Parts, func(part TakenPart) bool { return !settled.Has(part.Interval()) })
}

// begin drops what earlier redrives have settled and announced. Without that the state would grow
// with each redrive.
func (p *Progress) begin(b *Begun) {
	p.Begun = b
	p.settled.drop(b.ends)
	p.trials.drop(b.ends)
}
