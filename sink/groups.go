package sink

import (
	"sync"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// groups is the index of the failures of a run. It follows the FAILED parts: the failures of a
// window count once a commit names the parts of the window. It is safe for concurrent use.
type groups struct {
	mu     sync.Mutex
	window *failgroup.Index // since the last barrier, or of the whole run without commits
	staged *failgroup.Index // before it, and in no commit; nil: none
	total  failgroup.Index  // in commits
}

func newGroups() *groups { return &groups{window: &failgroup.Index{}} }

// add adds the failures of records that the parts have, and empties the list.
func (g *groups) add(list []failgroup.Failure) []failgroup.Failure {
	if len(list) == 0 {
		return list
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range list {
		g.window.Add(f)
	}
	clear(list)
	return list[:0]
}

// barrier ends the window. The commit of the window before was appended.
func (g *groups) barrier() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.promote()
	g.staged, g.window = g.window, &failgroup.Index{}
}

// promoteStaged makes the failures of the staged window count.
func (g *groups) promoteStaged() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.promote()
}

func (g *groups) promote() {
	if g.staged != nil {
		g.total.Merge(g.staged)
		g.staged = nil
	}
}

// replace makes x the index of all failures so far.
func (g *groups) replace(x *failgroup.Index) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total = *x
}

// next is the groups of the next commit record.
func (g *groups) next() []runfolder.FailureGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.staged == nil {
		return nil
	}
	next := runfolder.StoredGroups(g.staged)
	for i := range next { // three samples of a group count, the first ones
		one := &next[i]
		one.Samples = one.Samples[:min(len(one.Samples), failgroup.MaxSamples-g.total.Samples(one.Class, one.Message))]
	}
	return next
}

// addTo adds the failures in commits to an index of earlier ones.
func (g *groups) addTo(x *failgroup.Index) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x.Merge(&g.total)
}

// all is the index of all failures whose records count, in a run with commits or without.
func (g *groups) all(commits bool) []runfolder.FailureGroup {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !commits {
		return runfolder.StoredGroups(g.window)
	}
	return runfolder.StoredGroups(&g.total)
}
