package results

import (
	"context"
	"errors"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// ErrNoManifest says that a run has not ended: Clean and Express runs need its manifest.
var ErrNoManifest = runfolder.ErrNoManifest

// Status says whether a run is open, or how it has ended.
type Status string

// The states of a run.
const (
	Open      Status = "OPEN"                    // a call with the same RunID resumes it, or a process works on it
	Succeeded Status = runfolder.StatusSucceeded // all items settled, failures within tolerance
	Failed    Status = runfolder.StatusFailed    // tolerance exceeded, or the source or a sink broke
	Canceled  Status = runfolder.StatusCanceled  // by the caller
)

// Run is what a run has written. Of an open run, Stats counts what the commits settle. Stats.Reason
// says why the run is open or has ended; it is empty while a process works on the run, and after a
// crash.
type Run struct {
	RunID   string
	Redrive int // 0: the run's first end; n: the end of its redrive n
	Status  Status
	Error   string    // of the run, or of the last call for an open one; at most 4 KiB; empty: none
	Source  string    // the source's String; empty: it has none
	Records string    // form of the SUCCEEDED records, a sink.Records
	Bucket  string    // sink.BucketOptions.URL, without secrets
	Started time.Time // by the first process
	Stopped time.Time // zero: the run is open
	Commits int64     // in the run's journal; 0: the run had none
	Stats   dmap.Stats
	Unread  dmap.Unread    // of an ended run
	Broken  []BrokenObject // the first 100 objects that broke off; Stats.BrokenObjects is their number
	Lost    []Lost         // records that could not be written
	// Edits are the newest 100 changes of settings by methods of dmap.Run, in all processes of the
	// run, in order. EditCount is the number of all.
	Edits     []dmap.Edit
	EditCount int64
	// Tolerance is that of the run at its end, or at its last commit. nil: not known, as no commit
	// says it, or an earlier version of dmap ended the run.
	Tolerance *dmap.Tolerance

	Library string // the version of dmap that wrote the manifest
	Writer  string // unique to the process that wrote it

	// The parts of each kind, in the order in which they were opened. An open run has no
	// PendingParts. HeldParts have the items that wait for a decision.
	SucceededParts, FailedParts, PendingParts, HeldParts []Part

	groups *runfolder.Part  // of an ended run; nil: it has no index of its failures
	index  *failgroup.Index // of an open run

	taken []takenList // of an open run: the items that a redrive took, or that were decided, and that have not settled
}

// Part is an object of records, one JSON value per line.
type Part struct {
	Key     string // in the bucket, with the prefix
	Size    int64  // bytes
	Records int64
	SHA256  string // of the object, hexadecimal
}

// BrokenObject names an object that broke off: its rest, which Unread names too, was not read.
type BrokenObject struct {
	Key    string
	Offset int64  // of the first byte of its content that was not read as an item
	Error  string // the cause, at most 4 KiB
}

// Lost names records that could not be written.
type Lost struct {
	Part    string // key of the part; empty: the records had not reached one
	Status  string // SUCCEEDED, FAILED or PENDING
	Records int64
	First   string // ID of the item of the first record
	Last    string // and of the last
	Error   string // the cause, at most 4 KiB
}

// ended is a run by its manifest.
func ended(m *runfolder.Manifest) *Run {
	r := &Run{
		RunID: m.RunID, Redrive: m.Redrive, Status: Status(m.Status), Error: m.Error,
		Source: m.Source, Records: m.Records, Bucket: m.DestinationBucket, Started: m.Started, Stopped: m.Stopped,
		Commits: m.Commits, Stats: convert.EndedStats(m), Unread: convert.Unread(m.Unread),
		Broken:  convert.Each(m.Broken, func(b runfolder.Broken) BrokenObject { return BrokenObject{b.Key, b.Offset, b.Error} }),
		Lost:    convert.Each(m.Lost, func(l runfolder.Lost) Lost { return Lost(l) }),
		Library: m.Library, Writer: m.Writer,
		SucceededParts: partsOf(m.ResultFiles.Succeeded),
		FailedParts:    partsOf(m.ResultFiles.Failed),
		PendingParts:   partsOf(m.ResultFiles.Pending),
		HeldParts:      partsOf(m.ResultFiles.Held),
		groups:         m.Groups,
	}
	r.settings(m.Edits, m.Tolerance)
	return r
}

// settings adds the stored edits and the stored tolerance.
func (m *Run) settings(edits *runfolder.Edits, tolerance *runfolder.Tolerance) {
	if edits != nil {
		m.EditCount = edits.Count
		m.Edits = convert.Each(edits.Newest, func(e runfolder.Edit) dmap.Edit { return dmap.Edit(e) })
	}
	m.Tolerance = (*dmap.Tolerance)(tolerance)
}

func partsOf(list []runfolder.Part) []Part {
	return convert.Each(list, func(p runfolder.Part) Part { return Part(p) })
}

// parts lists the parts of one kind.
func (m *Run) parts(k runfolder.Kind) []Part {
	switch k {
	case runfolder.Succeeded:
		return m.SucceededParts
	case runfolder.Failed:
		return m.FailedParts
	case runfolder.Held:
		return m.HeldParts
	default:
		return m.PendingParts
	}
}

// missing returns an error if an argument of a call about a run is nil.
func (m *Run) missing(ctx context.Context, bucket *blob.Bucket) error {
	if m == nil {
		return errors.New("results: the run is nil: pass that of Load")
	}
	return missing(ctx, bucket)
}
