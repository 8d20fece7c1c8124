package dmap

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-dmap/dmap/internal/fingerprint"
	"github.com/go-dmap/dmap/internal/journal"
)

// A run that resumes must read the items that it was begun with: the settled intervals are
// positions, and another item at a settled position would never be called. Splits of objects have
// the Version of the object, splits of values in memory a hash of the values, and a sequence a hash
// of its items up to the last settled one.

// identify sets the Version of s if only its content tells it. It refuses a split whose settled
// items are not those that it has now. If its object is one of many, changed says that only the
// rest of this object is not read.
func (r *reader[T, R]) identify(ctx context.Context, s *Split) (changed bool, err error) {
	if !r.durable.on() {
		return false, nil
	}
	if r.plan.Version != nil && s.Version == "" {
		if s.Version, err = r.plan.Version(ctx, *s); err != nil {
			return false, r.fault(*s, err)
		}
	}
	if changed, err := r.checkVersion(ctx, *s); changed || err != nil {
		return changed, err
	}
	return false, r.checkPrefix(ctx, *s)
}

// checkVersion refuses a split whose settled items are of another version of its object, or leaves
// its rest unread: then changed is true. An object that was mended is read on.
func (r *reader[T, R]) checkVersion(ctx context.Context, s Split) (changed bool, err error) {
	many := s.Object != "" && r.plan.Whole == (Split{})
	key := ""
	if many {
		key = s.To.Key
	}
	j := r.durable.settledBefore.Judge(s.interval(), key, r.mended.Rests())
	if j.Was == "" {
		return false, nil
	}
	mended, err := r.mended.Has(ctx, j, s.Version)
	switch broken := brokenObject(err); {
	case broken != nil:
		s.Version = j.Was
		r.leaveBroken(s, broken)
		return true, nil
	case err != nil:
		return false, r.fault(s, err)
	case mended:
		return false, nil
	case many, s.Object != "" && r.redrive != nil:
		r.leaveChanged(s, j.Was)
		return true, nil
	}
	return false, r.differs(s, s.Version, j.Was)
}

// differs is the error for a split whose Version is not the one that the run has settled items of.
func (r *reader[T, R]) differs(s Split, now, before string) error {
	field := fmt.Sprintf("version of %q: %s, begun with %s", s.ID, now, before)
	return r.fault(s, &SpecError{RunID: r.runID, Fields: []string{field}})
}

// checkPrefix reads the settled prefix of a sequence before any item of it is called, unless the
// only remaining piece follows that prefix: then the reading of the piece compares it.
func (r *reader[T, R]) checkPrefix(ctx context.Context, s Split) error {
	mark, ok := r.durable.prefixesBefore[s.ID]
	if !ok {
		return nil
	}
	pieces := gaps(r.durable.settledBefore, s)
	if len(pieces) == 1 && pieces[0].From.Offset >= mark.N {
		return nil
	}
	return r.comparePrefix(ctx, s, mark)
}

// sameSource refuses a redrive over values that are not those that the run has settled. It is
// called before the redrive begins or continues: the run stays as it is. A split whose source sets
// its Version, as that of an object, is not compared here: its changed items fail one by one.
func (r *reader[T, R]) sameSource(ctx context.Context, p *journal.Progress) error {
	err := isolated(func() error {
		if err := r.sameVersions(ctx, p.Settled); err != nil {
			return err
		}
		marks := p.Prefixes.Marks()
		for _, id := range slices.Sorted(maps.Keys(marks)) {
			if err := r.comparePrefix(ctx, Split{ID: id}, marks[id]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == errStopped {
		err = context.Cause(ctx)
	}
	if _, ok := err.(*SourceError); ok || err == nil { //nolint:errorlint // where it comes from counts, not its chain
		return err
	}
	return &SourceError{Source: r.name, Err: err}
}

// sameVersions compares the splits of settled intervals with the content that they have now.
func (r *reader[T, R]) sameVersions(ctx context.Context, settled []journal.Interval) error {
	if r.plan.Version == nil {
		return nil
	}
	at, now, err := journal.Changed(settled, func(v journal.Interval) (string, error) { return r.plan.Version(ctx, splitOf(v)) })
	switch {
	case err != nil:
		return r.fault(splitOf(at), err)
	case now != "":
		return r.differs(splitOf(at), now, at.Version)
	default:
		return nil
	}
}

// comparePrefix reads the prefix of a sequence that mark describes.
func (r *reader[T, R]) comparePrefix(ctx context.Context, s Split, mark fingerprint.Mark) error {
	s.From, s.To = Cursor{Offset: mark.N}, Cursor{}
	for _, err := range r.plan.Read(fingerprint.With(ctx, fingerprint.NewPrefix(mark)), s) {
		if err != nil {
			return r.fault(s, err)
		}
		break // the prefix was read and compared to get here
	}
	return nil
}

// followPrefix returns a context for the reading of a split of a durable run, and the Prefix in it,
// which only sequences use: that of ctx, if the reading has one already. Other runs have none.
func (r *reader[T, R]) followPrefix(ctx context.Context, split string) (context.Context, *fingerprint.Prefix) {
	if !r.durable.on() {
		return ctx, nil
	}
	if p := fingerprint.From(ctx); p != nil {
		return ctx, p
	}
	p := fingerprint.NewPrefix(r.durable.prefixesBefore[split])
	return fingerprint.With(ctx, p), p
}
