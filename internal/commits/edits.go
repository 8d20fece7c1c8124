package commits

import (
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// StoredEdits are edits as a record has them.
func StoredEdits(e journal.Edits) *runfolder.Edits {
	if e.Count == 0 {
		return nil
	}
	return &runfolder.Edits{Count: e.Count, Newest: convert.Each(e.Newest, func(o journal.Edit) runfolder.Edit {
		return runfolder.Edit{At: runfolder.Time(o.At), Setting: o.Setting, From: o.From, To: o.To}
	})}
}
