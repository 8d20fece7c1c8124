package dmaptemporal

import (
	"context"
	"encoding/json"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/sharedrun"
)

// The names of activities. Old runs use them: they do not change.
const (
	beginName  = "dmap/begin"
	planName   = "dmap/plan"
	leaseName  = "dmap/lease"
	absorbName = "dmap/absorb"
	ordersName = "dmap/orders"
	finishName = "dmap/finish"
)

// activities are what workers do for the workflow. Arguments and results are plain data. An
// activity may run more than once, also at the same time as an earlier attempt of it. Errors of the
// types below end the run; all others are of the infrastructure, and repeated.
type activities interface {
	// Begin opens an era of the run, or finds that it has ended.
	Begin(ctx context.Context, call beginCall) (begun, error)
	// Plan returns the next pieces of the source.
	Plan(ctx context.Context, call planCall) (coord.Page, error)
	// Lease processes the splits of a lease. It heartbeats, follows the Orders, and returns a
	// report when its context is canceled. It is never repeated: another attempt has its own
	// number.
	Lease(ctx context.Context, call leaseCall) (lease.Report, error)
	// Absorb writes a root record with the lanes of finished leases. It returns the counts of those
	// that are Unreported, and the failures of the run. A task whose record exists has been done.
	Absorb(ctx context.Context, call absorbCall) (coord.Absorption, error)
	// Orders shows orders to all workers. A larger Version replaces a smaller one.
	Orders(ctx context.Context, call ordersCall) error
	// Finish ends the run, and writes its manifest, unless there is one.
	Finish(ctx context.Context, call finishCall) (finished, error)
}

// The types of errors that end the run.
const (
	errFenced = "dmap/fenced" // another host or process has the run
	errFatal  = "dmap/fatal"  // the run cannot continue
	// errChanged is errFatal for a run that was begun with another source or other options.
	errChanged = "dmap/changed"
	errOpen    = "dmap/open" // nothing more can be done here, and the run has not ended
)

// runRef says which run it is, and how a worker finds its source and function.
type runRef struct {
	RunID  string          `json:"runId"`
	Name   string          `json:"name"`             // of a registered definition, such as "loans/v1"
	Params json.RawMessage `json:"params,omitempty"` // of the definition
}

type beginCall struct {
	Run     runRef        `json:"run"`
	Redrive *dmap.Redrive `json:"redrive,omitempty"` // of Settings; nil: that of the job's options
}

// begun is the state of a run when an era opens.
type begun = sharedrun.Begun

type planCall struct {
	Run  runRef         `json:"run"`
	Era  int64          `json:"era"`
	Task coord.PlanTask `json:"task"`
}

type leaseCall struct {
	Run   runRef      `json:"run"`
	Lease lease.Lease `json:"lease"`
	// Beat is the time between heartbeats; 0: beatEvery.
	Beat time.Duration `json:"beat,omitempty"`
}

type absorbCall struct {
	Run  runRef           `json:"run"`
	Era  int64            `json:"era"`
	Task coord.AbsorbTask `json:"task"`
}

type ordersCall struct {
	Run     runRef       `json:"run"`
	Era     int64        `json:"era"`
	Version int64        `json:"version"`
	Orders  coord.Orders `json:"orders"`
}

// finished is the end that is stored.
type finished = sharedrun.Ended

type finishCall struct {
	Run       runRef         `json:"run"`
	Era       int64          `json:"era"`
	End       coord.End      `json:"end"`
	Tolerance dmap.Tolerance `json:"tolerance,omitzero"` // at the end
}
