package dmap

import (
	"context"
	"iter"
)

// A crash while retries wait leaves a gap at each of them, thousands perhaps. To open the source
// for each would cost a request each; and a source that cannot seek would be read from its start
// for each. So gaps that are near each other are read together: the items between them are dropped.
const maxSpans = 256 // about the number of readings of one split, or of one key in it

// spans groups the unsettled parts of one split, which are in order, by the readings that cover
// them.
func spans(parts []Split) (out [][]Split) {
	for len(parts) > 0 {
		n := 1 // parts at the same key
		for n < len(parts) && parts[n].From.Key == parts[0].From.Key {
			n++
		}
		near := max(nearBytes, (parts[n-1].From.Offset-parts[0].From.Offset)/maxSpans)
		from := 0
		for i := 1; i <= n; i++ {
			if i == n || distance(parts[i-1].To, parts[i].From) > near {
				out = append(out, parts[from:i])
				from = i
			}
		}
		parts = parts[n:]
	}
	return out
}

// readSpan reads parts of one split in a single reading.
func (r *reader[T, R]) readSpan(ctx context.Context, parts []Split) error {
	unread := parts
	defer func() { r.leaveAll(unread) }() // also after a panic of the source
	whole := parts[0]
	whole.To = parts[len(parts)-1].To
	ctx, _ = r.followPrefix(ctx, whole.ID)
	if r.places() {
		ctx, _ = withPlacing(ctx)
	}
	next, stop := iter.Pull2(r.plan.Read(ctx, whole))
	defer stop()
	shared := sharedReading[T]{next: next, at: whole.From}
	seen := &leaf{seen: true} // something between the parts is settled
	for _, part := range parts {
		unread = unread[1:] // readItems leaves the parts that it does not read
		if err := r.readItems(ctx, &piece{split: part, leaf: seen}, shared.read); err != nil {
			return err
		}
	}
	return nil
}

// sharedReading is a reading of a source that yields the items of one part after the other.
type sharedReading[T any] struct {
	next func() (Item[T], error, bool)
	held Item[T] // read, and belongs to a later part
	has  bool    // held is set
	at   Cursor  // after the last item, but for one that is held
	end  error   // of the reading: of an object that breaks off, all later parts are unread
}

// read yields the items of part, with their Index in it. Parts come in order.
func (s *sharedReading[T]) read(_ context.Context, part Split) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		for n := int64(0); ; {
			item, err, ok := s.take()
			if item.Err != nil && s.at.compare(part.From) < 0 {
				item.Err = afterBreak(item.Err)
			}
			switch {
			case !ok && s.end != nil:
				yield(item, afterBreak(s.end))
				return
			case !ok:
				return
			case err == nil && item.Next.compare(part.From) <= 0:
				s.at = item.Next // settled by an earlier process
				continue
			case err == nil && part.To != (Cursor{}) && item.Next.compare(part.To) > 0:
				s.held, s.has = item, true
				if s.at.compare(part.To) < 0 && brokenObject(item.Err) != nil { // of this part, too
					item.Next = part.To
					yield(item, nil)
				}
				return
			}
			s.end, s.at = err, item.Next
			item.Index = n
			n++
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// afterBreak is err for a part that begins after the object broke off: the content before this part
// has another hash.
func afterBreak(err error) error {
	broken := brokenObject(err)
	if broken == nil {
		return err
	}
	return &BrokenObjectError{Key: broken.Key, Offset: broken.Offset, Err: broken.Err}
}

func (s *sharedReading[T]) take() (item Item[T], err error, ok bool) {
	if s.has {
		s.has = false
		return s.held, nil, true
	}
	return s.next()
}
