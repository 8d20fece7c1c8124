package journal

import (
	"context"
	"iter"
)

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
