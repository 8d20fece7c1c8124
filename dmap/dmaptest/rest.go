package dmaptest

import (
	"testing"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
)

// noContent is a Split.Before of no content.
const noContent = "dmaptest: no content has this hash"

// compares asks Rest about positions before which the object has never had the content: a redrive
// would read on an object that has changed.
func (p planned[T]) compares(tb testing.TB) {
	if p.plan.Rest == nil {
		return
	}
	for i, s := range p.splits {
		if s.Object == "" || len(p.parts[i]) == 0 || p.parts[i][0].Err != nil {
			continue
		}
		for _, version := range []string{s.Version, ""} {
			rest := dmap.Split{ID: s.ID, Object: s.Object, Version: version, From: p.parts[i][0].Next, Before: noContent}
			_, err := p.plan.Rest(tb.Context(), rest)
			_, broken := guard.As[*dmap.BrokenObjectError](err) // the object cannot be read
			switch {
			case err == nil:
				tb.Errorf("Rest of split %q from %+v accepts content that the object has never had", s.ID, rest.From)
			case !broken && dmap.Class(err) != "changed":
				tb.Errorf("Rest of split %q from %+v, with another content before: the error has the class %q, want \"changed\": %v",
					s.ID, rest.From, dmap.Class(err), err)
			}
		}
	}
}
