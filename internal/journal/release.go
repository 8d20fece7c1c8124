package journal

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"
)

// A function may hold an item until a person decides about it. The hold is the outcome of the item
// as far as the journal is concerned: a commit settles its interval, and the sink that keeps the
// journal has its record. A release takes the records of decided items out again and lists these
// items, which are then read as those of a redrive are.

// Decision is what a person decided about a held item. Its texts are bounded and printable.
type Decision struct {
	Approved bool
	By       string
	At       time.Time
	Note     string
	Reason   string // of the hold
	Holds    int    // how often the item was held so far
}

// Release says that decided items run again from a commit on. A run has at most one: it lists the
// unsettled items of the release before it, too.
type Release struct {
	Number  int64          `json:"number"`            // of the commit
	Sink    string         `json:"sink"`              // position of the sink that keeps the journal
	Redrive int            `json:"redrive,omitempty"` // that was under way; 0: none
	Newest  time.Time      `json:"newest"`            // when the store got the newest decision, of earlier releases too
	Parts   []ReleasedPart `json:"parts,omitempty"`
}

// ReleasedPart is a stored list of decided items, in the order of their splits and positions.
type ReleasedPart struct {
	Key     string `json:"key"`
	Size    int64  `json:"size"`
	Records int64  `json:"records"`
	SHA256  string `json:"sha256"`
}

// Decided is what a sink finds out about the decisions of a run.
type Decided struct {
	Release *Release        // nil: nothing was decided
	Items   int64           // held items that it takes out
	State   json.RawMessage // what that makes of the results: the state of the sink for the commit
	Ignored []string        // decisions without effect, and why: at most a few
}

// Commit is the record that takes the decided items up. sink is the position of the sink that keeps
// the journal.
func (d *Decided) Commit(number int64, sink string) Commit {
	release := *d.Release
	release.Sink = sink
	return Commit{
		Number: number, Release: &release, Counts: Counts{Released: d.Items}, States: map[string]json.RawMessage{sink: d.State},
	}
}

// Holder is the part of a Log that keeps held items. It is no optional interface: a wrapper of a
// Log that lacks it would leave decided items held forever.
type Holder interface {
	// KeepsHeld reports whether the sink of the journal keeps held items: a Write with results
	// whose Err is a *dmap.HoldError. Otherwise the other methods are not called.
	KeepsHeld() bool
	// Decide looks for decisions about held items, and lists the decided ones for the commit with
	// this number. Nothing of it counts before that commit.
	Decide(ctx context.Context, p *Progress, number int64) (Decided, error)
}

// NoHolds is the Holder of a Log that keeps no held items.
type NoHolds struct{}

// KeepsHeld returns false.
func (NoHolds) KeepsHeld() bool { return false }

// Decide finds nothing.
func (NoHolds) Decide(context.Context, *Progress, int64) (Decided, error) { return Decided{}, nil }

// Lister is the part of a Log that knows the stored lists of items that run again: those that a
// redrive took, and those of the latest release. It is no optional interface: a wrapper of a Log
// that lacks it would leave these items pending.
type Lister interface {
	// Lists are what the process must read of the lists, settled or not, after p, which has the
	// records of this process too.
	Lists(p *Progress) []TakenPart
	// ReadList yields the items of a list that lie after an offset. It checks the list before the
	// first.
	ReadList(ctx context.Context, part TakenPart, from int64) iter.Seq2[TakenItem, error]
}

// NoLists is the Lister of a Log of a run that is never redriven, and keeps no held items.
type NoLists struct{}

// Lists finds none.
func (NoLists) Lists(*Progress) []TakenPart { return nil }

// ReadList yields nothing.
func (NoLists) ReadList(context.Context, TakenPart, int64) iter.Seq2[TakenItem, error] {
	return func(func(TakenItem, error) bool) {}
}

// Lists are those of p: of the redrive that is under way, and of the latest release. A trial reads
// no release from before it.
func (p *Progress) Lists() (lists []TakenPart) {
	number, trial := 0, false
	if p.Redrive != nil {
		number, trial = p.Redrive.Number, p.Redrive.Trial
		lists = append(lists, p.Redrive.Parts...)
	}
	if p.Release != nil && (!trial || p.Release.Redrive == number) {
		lists = append(lists, p.Release.Taken()...)
	}
	return lists
}

// ReleasedSplit is the ID of the split that reads the part with this key, which belongs to the
// release of commit n.
func ReleasedSplit(n int64, key string) string {
	return releasedPrefix + strconv.FormatInt(n, 10) + "/" + key[strings.LastIndexByte(key, '/')+1:]
}

// IsReleasedSplit reports whether the split reads the items of a release.
func IsReleasedSplit(id string) bool { return strings.HasPrefix(id, releasedPrefix) }

// Taken are the parts of r as the splits that read them. A nil Release has none.
func (r *Release) Taken() (parts []TakenPart) {
	if r == nil {
		return nil
	}
	for _, p := range r.Parts {
		parts = append(parts, TakenPart{Split: ReleasedSplit(r.Number, p.Key), To: p.Size})
	}
	return parts
}

// ends reports whether a split of an earlier release means nothing any more.
func (r *Release) ends(id string) bool {
	return IsReleasedSplit(id) && !strings.HasPrefix(id, ReleasedSplit(r.Number, ""))
}

// release drops what earlier releases have settled and announced.
func (p *Progress) release(r *Release) {
	p.Release = r
	p.settled.drop(r.ends)
	p.trials.drop(r.ends)
}
