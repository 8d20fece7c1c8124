// Package lanes stores a run that several machines work on. A lane is the journal of one attempt
// at a lease, and counts for nothing by itself: a record of the run absorbs all lanes of a lease
// once they are sealed. docs/format.md has the protocol, and why nothing is lost or doubled.
package lanes

import (
	"fmt"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// Run is the folder of a run that is shared.
type Run struct {
	Bucket *blob.Bucket
	Folder string // with a trailing slash
	Writer string // unique to the process
}

// mostRaces is how often one step may lose a race for the next record. An owner of a lane commits
// about once a second.
const mostRaces = 20

// lane is the journal of an attempt at a lease.
func (r Run) lane(lease int64, attempt int) *commits.Log {
	return &commits.Log{Bucket: r.Bucket, In: r.Folder + runfolder.LanesFolder + runfolder.LaneName(lease, attempt), Writer: r.Writer}
}

// fenced is an error that matches dmap.ErrFenced.
func fenced(format string, args ...any) error {
	return fmt.Errorf("%w: %s", dmap.ErrFenced, fmt.Sprintf(format, args...))
}
