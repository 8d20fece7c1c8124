package results

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// Merged is a run and its redrives seen as one: each item once, with its last outcome. [Merge]
// makes one.
type Merged[R any] struct {
	Runs []*Run // as they were named; items unread by every run are missing

	bucket *blob.Bucket
	redone map[itemHash]redone // the items of all runs but the first
}

// Outcome is the last outcome of an item.
type Outcome[R any] struct {
	Item
	RunID  string // of the run that it comes from
	Status string // SUCCEEDED, FAILED, or PENDING: no run has settled the item
	Output R      // of a success
	Class  string // of a failure, and of a pending item's last attempt
	Error  string
	Input  json.RawMessage // where the record has it
}

// Tally counts the items of a Merged.
type Tally struct{ Succeeded, Failed, Pending int64 }

// itemHash stands for an item's ID: half a SHA-256, so that memory does not depend on the length of
// keys.
type itemHash [16]byte

func hashOf(id string) itemHash {
	sum := sha256.Sum256([]byte(id))
	return itemHash(sum[:16])
}

// redone says which of the redrives, from 1, was the last to settle an item, and the last to leave
// it pending. 0: none.
type redone struct{ settled, pending int32 }

// Merge merges the ended runs of the given IDs, in their order: the first run, then its redrives.
// An item that failed in one and succeeded in a later one has succeeded; one that a redrive left
// pending keeps its earlier outcome. It reads only manifests and parts, and holds the items of the
// redrives in memory (about 50 bytes each), not those of the first run. The runs must have written
// Full records.
func Merge[R any](ctx context.Context, bucket *blob.Bucket, prefix string, runIDs ...string) (*Merged[R], error) {
	m := &Merged[R]{bucket: bucket, redone: map[itemHash]redone{}}
	if len(runIDs) == 0 {
		return nil, errors.New("results: Merge of no runs")
	}
	for i, id := range runIDs {
		run, err := Load(ctx, bucket, prefix, id)
		if err != nil {
			return nil, err
		}
		switch {
		case run.Records != "":
			return nil, fmt.Errorf("results: run %q: records of the form %s do not name their items", id, run.Records)
		case slices.Contains(runIDs[:i], id):
			return nil, fmt.Errorf("results: run %q is named twice", id)
		case i > 0 && run.Parent != "" && !slices.Contains(runIDs[:i], run.Parent):
			return nil, fmt.Errorf("results: run %q is a redrive of %q, which is not named before it", id, run.Parent)
		}
		m.Runs = append(m.Runs, run)
	}
	for i := 1; i < len(m.Runs); i++ {
		if err := m.index(ctx, i); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// index records the items of a redrive.
func (m *Merged[R]) index(ctx context.Context, n int) error {
	for kind := range runfolder.Kinds {
		for r, err := range records(ctx, m.bucket, m.Runs[n].parts(kind), runfolder.DecodeRecord) {
			if err != nil {
				return err
			}
			h := hashOf(r.ID)
			entry := m.redone[h]
			if kind == runfolder.Pending {
				entry.pending = int32(n)
			} else {
				entry.settled = int32(n)
			}
			m.redone[h] = entry
		}
	}
	return nil
}

// All yields each item once, those of the first run first; see [Successes] for errors. It may be
// called again.
func (m *Merged[R]) All(ctx context.Context) iter.Seq2[Outcome[R], error] {
	return func(yield func(Outcome[R], error) bool) {
		for r, err := range m.last(ctx) {
			if err != nil {
				yield(Outcome[R]{}, err)
				return
			}
			o := Outcome[R]{
				Item: itemOf(&r.Item), RunID: r.runID, Status: r.kind.String(), Class: r.Class, Error: r.Error, Input: r.Input,
			}
			if r.kind == runfolder.Succeeded {
				if err := json.Unmarshal(r.Output, &o.Output); err != nil {
					yield(o, fmt.Errorf("results: output of %q in run %q: %w", r.ID, r.runID, err))
					return
				}
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Count reads everything and counts.
func (m *Merged[R]) Count(ctx context.Context) (Tally, error) {
	var n [runfolder.Kinds]int64
	for r, err := range m.last(ctx) {
		if err != nil {
			return Tally{}, err
		}
		n[r.kind]++
	}
	return Tally{Succeeded: n[runfolder.Succeeded], Failed: n[runfolder.Failed], Pending: n[runfolder.Pending]}, nil
}

// lastRecord is the record that counts of an item.
type lastRecord struct {
	*runfolder.Record
	runID string
	kind  runfolder.Kind
}

// last yields the record that counts of each item.
func (m *Merged[R]) last(ctx context.Context) iter.Seq2[lastRecord, error] {
	return func(yield func(lastRecord, error) bool) {
		kept := map[itemHash]bool{} // settled in the first run, and left pending by a redrive
		for n, run := range m.Runs {
			for _, kind := range [...]runfolder.Kind{runfolder.Succeeded, runfolder.Failed, runfolder.Pending} { // pending last: see kept
				for r, err := range records(ctx, m.bucket, run.parts(kind), runfolder.DecodeRecord) {
					if err != nil {
						yield(lastRecord{}, err)
						return
					}
					if !m.isLatest(n, kind, hashOf(r.ID), kept) {
						continue
					}
					if !yield(lastRecord{r, run.RunID, kind}, nil) {
						return
					}
				}
			}
		}
	}
}

// isLatest reports whether a record of run n is the last of its item.
func (m *Merged[R]) isLatest(n int, kind runfolder.Kind, h itemHash, kept map[itemHash]bool) bool {
	entry, again := m.redone[h]
	switch {
	case !again:
		return true
	case n > 0 && kind != runfolder.Pending:
		return entry.settled == int32(n)
	case entry.settled > 0:
		return false
	case n > 0:
		return entry.pending == int32(n) && !kept[h]
	case kind != runfolder.Pending:
		kept[h] = true
		return true
	default:
		return false
	}
}
