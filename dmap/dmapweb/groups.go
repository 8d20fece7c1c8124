package dmapweb

import (
	"net/http"
	"slices"

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
	if s.Failures.Whole {
		p.addDetails(r, &s.Failures)
	}
	out := p.groupsOf(s.RunID, s.Failures)
	if f.live != nil && f.live.Live() && !s.Failures.Whole {
		out.Process = f.live.Spec().Resumed || f.live.Spec().Redrive > 0
	}
	return answer(w, out)
}

// addDetails adds the samples, places and times that the bucket has to the groups of a run on many
// machines, whose workers send none. Without them the groups remain as they are.
func (p *site) addDetails(r *http.Request, to *watch.Failures) {
	f, err := p.find(r, true)
	if err != nil || f.stored == nil {
		return
	}
	stored, err := p.stored.groups(r.Context(), f.stored)
	if err != nil {
		return
	}
	of := map[string]failgroup.Group{}
	for _, g := range stored.Groups {
		of[g.ID] = g
	}
	groups := slices.Clone(to.Groups)
	for i := range groups {
		g := &groups[i]
		known := of[g.ID]
		g.Samples, g.Where, g.Trend = known.Samples, known.Where, known.Trend
	}
	to.Groups = groups
}
