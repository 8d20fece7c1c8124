package dmap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
)

// The ends of a reading that are no end of the run: objects that break off, and listings without
// objects.

// leafOf returns the leaf of a planned split. What an earlier process has settled of it was seen.
func (r *reader[T, R]) leafOf(s Split) *leaf {
	return &leaf{from: s.From, seen: len(r.durable.settledBefore[s.ID]) > 0}
}

// endOf says what an error of the source means for the piece of s that is being read. The error
// that it returns ends the reading of the source.
func (r *reader[T, R]) endOf(s Split, err error) (pieceEnd, error) {
	if r.stopper.input.ctx.Err() != nil {
		return endEarly, errStopped // most likely the error is that of the context
	}
	if matches(err, ErrNoObjects) {
		return endEmpty, nil
	}
	if broken := brokenObject(err); broken != nil {
		r.countBroken(broken)
		if r.stopper.noMore.Load() {
			return endEarly, errStopped
		}
		return endEarly, nil
	}
	return endEarly, r.fault(s, err)
}

// endPlan returns the error of a planning that ended with err, nil if the source has no splits
// because a listing has no objects.
func (r *reader[T, R]) endPlan(err error) error {
	if r.stopper.input.ctx.Err() != nil || !matches(err, ErrNoObjects) {
		return r.fault(Split{}, err)
	}
	if len(r.durable.settledBefore) == 0 {
		r.doubt(&leaf{none: err})
	}
	return nil
}

// endPiece settles the rest of a piece that was read to its end, unless it belongs to a listing
// that has shown no object yet.
func (r *reader[T, R]) endPiece(l *leaf, from Cursor, end pieceEnd, fault error, b *batcher[T, R], rest Split) {
	tail := b.tail(rest.To)
	rest.From = tail.from // also the skipped items before the end
	if l.endPiece(from, end, b.saw, fault, leafTail{settle: func() { r.delivery.settleTail(tail) }, rest: rest}) {
		r.doubt(l)
	}
}

// takeNoItem takes an item that the source skips, or that stands for the rest of a broken object.
// It returns false for any other.
func (r *reader[T, R]) takeNoItem(b *batcher[T, R], item *Item[T]) (taken bool, err error) {
	if skips(item.Err) {
		unlisted := matches(item.Err, ErrNoObjects)
		b.saw.object, b.saw.unlisted = b.saw.object || !unlisted, b.saw.unlisted || unlisted
		r.tally.skip()
		b.skip(item)
		if r.stopper.noMore.Load() {
			err = errStopped
		}
		return true, err
	}
	broken := brokenObject(item.Err)
	if broken == nil {
		if r.cutOff(item.Err) {
			return true, errStopped
		}
		return false, nil
	}
	b.saw.object = true
	rest := *b.split
	rest.From, rest.To = b.at, item.Next
	tail, ok := b.gap(item.Next)
	if !ok {
		return true, errStopped
	}
	if tail != nil {
		r.delivery.settleTail(tail)
	}
	r.leaveRest(rest, broken)
	r.countBroken(broken)
	return true, nil
}

// takePassed takes an item that ends after to, the end of its piece, as far as it belongs to the
// piece: it may stand for the rest of an object, of which an earlier process has settled the end.
func (r *reader[T, R]) takePassed(b *batcher[T, R], item *Item[T], to Cursor) error {
	if b.at.compare(to) >= 0 || brokenObject(item.Err) == nil {
		return nil
	}
	item.Next = to
	_, err := r.takeNoItem(b, item)
	return err
}

func (r *reader[T, R]) doubt(l *leaf) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubtful = append(r.doubtful, l)
}

// judgeLeaves finds the listings without objects when nothing is read any more.
func (r *reader[T, R]) judgeLeaves(all bool) {
	for _, l := range r.doubtful {
		unread, none := l.judge(all)
		r.holes = append(r.holes, unread...)
		if none != nil && len(r.none) < firstFailures {
			r.none = append(r.none, &SourceError{Source: r.name, Err: none})
		}
	}
}

// empty returns the errors of the listings without objects, joined. MaxItems ends the run before it
// needs them.
func (r *reader[T, R]) empty() error {
	if r.tally.truncated.Load() {
		return nil
	}
	return errors.Join(r.none...)
}

// leaveChanged leaves the parts of a split that are not settled unread, because its object is
// another one than the settled parts are of: it breaks off. An object that was settled as a whole
// is done.
func (r *reader[T, R]) leaveChanged(s Split, before string) {
	broken := &BrokenObjectError{Key: s.Object, Err: &objectChanged{was: before, now: s.Version}}
	if rests := gaps(r.durable.settledBefore, s); len(rests) > 0 {
		if at := rests[0].From.Offset; at != journal.Between { // after the object before it
			broken.Offset = at
		}
	}
	s.Version = before
	r.leaveBroken(s, broken)
}

// leaveBroken leaves the parts of a split that are not settled unread, because its object breaks
// off.
func (r *reader[T, R]) leaveBroken(s Split, broken *BrokenObjectError) {
	rests := gaps(r.durable.settledBefore, s)
	if len(rests) == 0 {
		return
	}
	for _, rest := range rests {
		r.leaveRest(rest, broken)
	}
	r.countBroken(broken)
}

// objectChanged says that an object has another version than the settled part of it.
type objectChanged struct{ was, now string }

func (e *objectChanged) Error() string {
	return fmt.Sprintf("it changed after a part of it was read: version was %s, now %s: restore it, "+
		"or read it from its start in a run with a new RunID", e.was, e.now)
}

// Class makes Class call it "changed".
func (e *objectChanged) Class() string { return "changed" }

// leaveRest records a part of the source that is not read, because of fault.
func (r *reader[T, R]) leaveRest(rest Split, fault error) {
	broken := brokenObject(fault)
	if broken == nil {
		r.leave(rest)
		return
	}
	rest.Before = broken.Hash
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holes = append(r.holes, rest)
}

// countBroken counts an object that broke off, and logs the first ones.
func (r *reader[T, R]) countBroken(broken *BrokenObjectError) {
	n, stop := r.tally.breakOff(broken)
	if n <= firstFailures {
		r.stopper.log.brokeOff(broken)
	}
	if stop != nil {
		r.stopper.stop(stop)
	}
}

// cutOff reports whether an item could not be read because the reading ends: a function of a source
// that reads an object gets the error of its context. Such an item has not failed, it is unread.
func (r *reader[T, R]) cutOff(err error) bool {
	input := r.stopper.input.ctx
	if input.Err() == nil {
		return false
	}
	cut, _ := guard.Call(func() bool { return interrupted(err, context.Cause(input)) })
	return cut
}
