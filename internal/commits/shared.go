package commits

import (
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Era is the number of the newest commit with which a process took the run over, and open reports
// whether that was a host, which still gives leases. Known is false if the run was never shared.
func (s State) Era() (era int64, open, known bool) {
	if len(s) == 0 || s[len(s)-1].Era == nil {
		return 0, false, false
	}
	last := &s[len(s)-1]
	return *last.Era, last.Shared, true
}

// eraAfter is what the record of the next commit says about its era. A run that was never shared
// has none: its records are those of older versions.
func (s State) eraAfter(c journal.Commit) (era *int64, shared bool) {
	before, open, known := s.Era()
	switch {
	case c.Begins && (c.Shared || known):
		return &c.Number, c.Shared
	case known:
		return &before, open && !c.Closes
	}
	return nil, false
}

// Absorbed are the leases that the commits took in.
func (s State) Absorbed() (all journal.Leases) {
	for _, o := range s {
		all = all.Add(convert.Each(o.Absorbed, func(r runfolder.LeaseRange) journal.LeaseRange { return journal.LeaseRange(r) })...)
	}
	return all
}

func storedLeases(s journal.Leases) []runfolder.LeaseRange {
	return convert.Each(s, func(r journal.LeaseRange) runfolder.LeaseRange { return runfolder.LeaseRange(r) })
}

// Final reports whether the journal is that of a lane that is sealed.
func (s State) Final() bool { return len(s) > 0 && s[len(s)-1].Final }

// Begun reports whether the owner of a lane, and not a sealer, has created its first record.
func (s State) Begun() bool { return len(s) > 0 && s[0].Lane != nil }

// Bytes is about what the records add to one that unites them with others.
func (s State) Bytes() (n int) {
	for _, o := range s {
		n += 200*len(o.Settled) + 400*len(o.Groups)
		for _, states := range o.States {
			for _, state := range states {
				n += len(state)
			}
		}
	}
	return n
}
