package results

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// HeldItem is the record of an item that waits for a decision.
type HeldItem struct {
	Item
	Elapsed    time.Duration   // of the call that held it
	Reason     string          // of the hold, at most 4 KiB
	Holds      int             // how often the item was held so far, with this hold
	Input      json.RawMessage // the item's value; nil with sink.InputsNone
	InputError string          // why the value could not be written
	// Before is the decision about the hold before, which approved the item; nil: it was not held
	// before.
	Before *dmap.Decision
	// DecisionKey is the key of the object that decides, without the prefix and the run's folder:
	// see docs/format.md.
	DecisionKey string
}

// Held yields the HELD records of a run, as [Successes] does: the items that wait for a decision,
// or whose decision no call of Map has found yet.
func Held(ctx context.Context, bucket *blob.Bucket, r *Run) iter.Seq2[HeldItem, error] {
	if err := r.missing(ctx, bucket); err != nil {
		return failed[HeldItem](err)
	}
	return records(ctx, bucket, r.HeldParts, func(line []byte) (h HeldItem, err error) {
		record, err := runfolder.DecodeRecord(line)
		if err != nil {
			return h, err
		}
		return HeldItem{
			Item: itemOf(&record.Item), Elapsed: time.Duration(record.Elapsed), Reason: record.Reason, Holds: record.Holds,
			Input: record.Input, InputError: record.InputError, Before: convert.Decision(record.Decision, "", record.Holds-1),
			DecisionKey: runfolder.DecisionName(record.ID, record.Holds),
		}, nil
	})
}
