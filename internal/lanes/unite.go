package lanes

import (
	"encoding/json"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
)

// unite is the progress of a lease after its lanes, in the order of its attempts. Each lane is the
// work of one process, so the next one counts as the crash of a lane that did not end by itself.
func unite(lanes []commits.State) journal.Progress {
	all := journal.Progress{Clean: true}
	for _, lane := range lanes {
		if !lane.Begun() {
			continue
		}
		p := lane.Progress()
		clean := p.Clean
		all.Apply(journal.Commit{
			Begins: true, Stuck: !all.Moved && !all.Clean, Settled: p.Settled, Prefixes: p.Prefixes.All(), Counts: p.Counts,
			Trying: p.OpenTrials(), Clean: clean,
		})
		all.States = addStates(all.States, p.States)
	}
	all.Number = 0
	return all
}

// addStates adds the states of later commits.
func addStates(all, later map[string][]json.RawMessage) map[string][]json.RawMessage {
	for at, states := range later {
		if all == nil {
			all = map[string][]json.RawMessage{}
		}
		all[at] = append(all[at], states...)
	}
	return all
}

// Disjoint returns dmap.ErrInternal if a commit settles items that are settled already.
func Disjoint(settled journal.IntervalSet, c journal.Commit) error {
	for _, v := range c.Settled {
		gaps := settled.Gaps(v)
		if len(gaps) != 1 || gaps[0].From != v.From || gaps[0].To != v.To {
			return fmt.Errorf("%w: leases have settled items of split %q from %v that were settled before", dmap.ErrInternal, v.Split, v.From)
		}
	}
	return nil
}
