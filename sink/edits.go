package sink

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

func storedEdits(e journal.Edits) *runfolder.Edits {
	if e.Count == 0 {
		return nil
	}
	return &runfolder.Edits{Count: e.Count, Newest: convert.Each(e.Newest, func(o journal.Edit) runfolder.Edit {
		return runfolder.Edit{At: runfolder.Time(o.At), Setting: o.Setting, From: o.From, To: o.To}
	})}
}

// endSettings adds the edits of the run to m, and the tolerance at its end.
func (r *run) endSettings(m *runfolder.Manifest, end *dmap.Ending) {
	m.Tolerance = (*runfolder.Tolerance)(&end.Tolerance)
	if r.journal != nil {
		m.Edits = runfolder.CommittedEdits(r.journal.state.records())
		return
	}
	m.Edits = storedEdits(journal.Edits{Count: end.EditCount, Newest: convert.Each(end.Edits, func(e dmap.Edit) journal.Edit { return journal.Edit(e) })})
}
