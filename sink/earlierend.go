package sink

import (
	"sync"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// earlierEnd remembers the end of a run before the redrive that machines share, and the record of
// the redrive, so that the steps and leases of a process read them once: with many parts each has
// many MB. It has what these need, of one run. The objects never change. The zero earlierEnd is
// empty. It is safe for concurrent use.
type earlierEnd struct {
	mu      sync.Mutex // guards the fields below
	folder  string
	before  *runfolder.Manifest    // nil: not known
	redrive *runfolder.RedriveFile // nil: not known
}

func (e *earlierEnd) get(folder string) (before *runfolder.Manifest, redrive *runfolder.RedriveFile) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.folder != folder {
		return nil, nil
	}
	return e.before, e.redrive
}

// keepEnd remembers the newest end of a run.
func (e *earlierEnd) keepEnd(folder string, m *runfolder.Manifest) *runfolder.Manifest {
	short := *m
	short.ResultFiles = &runfolder.ResultFiles{Pending: m.ResultFiles.Pending}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.folder, e.before, e.redrive = folder, &short, nil
	return &short
}

// keepRedrive remembers the newest redrive of a run.
func (e *earlierEnd) keepRedrive(folder string, file *runfolder.RedriveFile) {
	short := *file
	short.NotTaken = nil
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.folder != folder || e.before != nil && e.before.Redrive+1 != file.Redrive {
		e.before = nil
	}
	e.folder, e.redrive = folder, &short
}
