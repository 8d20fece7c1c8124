package sink

import (
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
