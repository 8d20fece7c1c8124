package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lanes"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// run is the state of a BucketSink from OpenJournal, or Begin, to End.
type run struct {
	spec     dmap.RunSpec // Started is that of the run's first process
	folder   string
	writer   string
	journal  *runJournal // nil: the run has no journal, or one elsewhere
	began    bool
	parts    *parts
	groups   *groups
	encoders *encoders
	file     *runfolder.RunFile // as an earlier process wrote it; nil: there was none
	again    *redriven          // nil: the run is not redriven
}

// runJournal is the journal of a run that is open.
type runJournal struct {
	log  *commits.Log
	lock *runLock
	same func(context.Context, *journal.Progress) error // compares the source before a redrive

	absorbing *lanes.Gatherer // of the leases that the run takes in at its start; nil: it takes in none
	absorbed  commits.Extra   // of the commit that Absorb returned last
}

func (r *run) runKey() string { return r.folder + runfolder.RunFileName }

// warn writes a line to the Logger of the options. It survives all that a Handler may do.
func (r *run) warn(ctx context.Context, message string, args ...any) {
	l := r.spec.Options.Logger
	if l == nil {
		return
	}
	_, _ = guard.Call(func() struct{} {
		l.WarnContext(context.WithoutCancel(ctx), "dmap: "+message, append([]any{"run", r.spec.RunID}, args...)...)
		return struct{}{}
	})
}

// rules are those for texts of errors.
func (r *run) rules(opts BucketOptions) *errtext.Rules { return textRules(opts, r.spec.Options.Redact) }

// addRecords adds the records that e has encoded to the parts.
func (r *run) addRecords(ctx context.Context, e *encoder) error {
	err := r.parts.add(ctx, &e.chunks)
	e.failed = r.groups.add(e.failed) // also if the records are lost: the items have failed
	e.reset()
	return err
}

// explainCreate returns err, or an error that wraps exists if another process has created the
// object, or one that says what to do with a store that lets every process create it.
func (r *run) explainCreate(err, exists error) error {
	switch {
	case errors.Is(err, publish.ErrExists):
		return fmt.Errorf("sink: %w: folder %q: %w", exists, r.folder, err)
	case errors.Is(err, publish.ErrNotExclusive):
		return fmt.Errorf("sink: folder %q: two processes could work on the run at once: use a store that honors create-only writes, "+
			"or BucketOptions.Express, which keeps no journal: %w", r.folder, err)
	default:
		return err
	}
}
