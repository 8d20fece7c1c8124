package dmapweb

import (
	"net/http"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/watch"
)

// groups is the answer of /groups.
type groups struct {
	Total  int64   `json:"total"`
	Groups []group `json:"groups"`
	// Process says that the groups are of this process alone, not of earlier ones of the run.
	Process bool   `json:"process,omitempty"`
	Empty   string `json:"empty,omitempty"`
}

// group is a group with the prefixes that say where its failures gather, and the idempotency keys
// of its samples.
type group struct {
	failgroup.Group
	Where  []failgroup.Place `json:"where,omitempty"`
	Tokens []string          `json:"tokens,omitempty"` // empty: keys are redacted
}

// placesShown is how many prefixes say where the failures of a group gather.
const placesShown = 4

func (p *site) groupsOf(runID string, f watch.Failures) groups {
	redact := p.redact(runID)
	out := groups{Total: f.Total, Groups: make([]group, 0, len(f.Groups))}
	for _, g := range f.Groups {
		one := group{Group: g, Where: failgroup.Gather(g.Where, placesShown)}
		if redact != nil {
			one.Where = nil // of redacted keys prefixes say nothing
		}
		for _, s := range g.Samples {
			if redact == nil {
				one.Tokens = append(one.Tokens, dmap.IdempotencyKey(runID, s.ID))
			}
		}
		out.Groups = append(out.Groups, one)
	}
	if len(out.Groups) == 0 {
		out.Empty = "No item has failed."
	}
	return out
}

func (p *site) serveGroups(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, false)
	if err != nil {
		return err
	}
	s, err := p.snapshot(r.Context(), f)
	if err != nil {
		return err
	}
	out := p.groupsOf(s.RunID, s.Failures)
	if f.live != nil && f.live.Live() {
		out.Process = f.live.Spec().Resumed || f.live.Spec().Redrive > 0
	}
	return answer(w, out)
}
