package dmap

import (
	"context"
	"sync"

	"github.com/go-dmap/dmap/internal/ownresults"
)

// maxLeftOut is the number of folders of results whose omission is logged.
const maxLeftOut = 10

// withOwnResults returns a context that tells the source where the sinks write. Each of the first
// folders that a listing leaves out is logged once.
func withOwnResults(ctx context.Context, folders []ownresults.Folder, log *runLog, runID string) context.Context {
	if len(folders) == 0 {
		return ctx
	}
	var mu sync.Mutex
	logged := map[string]bool{}
	return ownresults.With(ctx, &ownresults.Run{RunID: runID, Folders: folders, LeftOut: func(folder string) {
		mu.Lock()
		defer mu.Unlock()
		if logged[folder] || len(logged) == maxLeftOut {
			return
		}
		logged[folder] = true
		log.leavesOut(folder)
	}})
}
