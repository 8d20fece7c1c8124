package results

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/publish"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Errors of decisions.
var (
	// ErrNotHeld says that an item does not wait for a decision: the run does not hold it, or a
	// call of Map has found a decision about it already.
	ErrNotHeld = errors.New("the item is not held")
	// ErrDecided says that another decision about the item is there already: the first one counts.
	ErrDecided = errors.New("the item is decided already")
)

// Verdict says who decides about held items, and why. Both texts are stored, and shown to the
// function.
type Verdict struct {
	By   string // at most 256 bytes
	Note string // at most 4 KiB
}

// decisionWriters is how many decisions are written at once.
const decisionWriters = 16

// maxNamed is how many items an error names.
const maxNamed = 10

// Approve approves held items of the run runID, which sink.Bucket writes with this bucket and
// prefix, by their IDs (HeldItem.ID). The next call of Map with this run ID calls the function for
// them again, with v in Info.Decision. A decision is an object in the folder of the run, see
// docs/format.md; it is final, and safe to write while a process works on the run.
//
// If an item is not held nothing is written, and the error, which matches ErrNotHeld, names it. An
// item that somebody has rejected stays rejected: ErrDecided. The others are approved then. The
// same call may be repeated. No items: nothing is decided.
func Approve(ctx context.Context, bucket *blob.Bucket, prefix, runID string, v Verdict, items ...string) error {
	return decide(ctx, bucket, prefix, runID, runfolder.Approve, v, items)
}

// Reject is Approve for items that must not run: they fail with a dmap.RejectedError, of class
// "rejected", and count against the Tolerance.
func Reject(ctx context.Context, bucket *blob.Bucket, prefix, runID string, v Verdict, items ...string) error {
	return decide(ctx, bucket, prefix, runID, runfolder.Reject, v, items)
}

func decide(ctx context.Context, bucket *blob.Bucket, prefix, runID, decision string, v Verdict, items []string) error {
	if len(v.By) > runfolder.MaxBy || len(v.Note) > runfolder.MaxNote {
		return fmt.Errorf("results: %s: By has %d bytes, Note %d: at most %d and %d are allowed",
			decision, len(v.By), len(v.Note), runfolder.MaxBy, runfolder.MaxNote)
	}
	r, err := Load(ctx, bucket, prefix, runID)
	if err != nil {
		return err
	}
	folder, err := runfolder.Folder(prefix, runID)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	holds, err := holdsOf(ctx, bucket, r, items)
	if err != nil {
		return fmt.Errorf("results: %s items of run %q: %w", decision, runID, err)
	}
	w := &decisionWriter{bucket, folder, runfolder.DecisionFile{Decision: decision, By: v.By, Note: v.Note, Writer: rand.Text()[:16]}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(decisionWriters)
	others := make([]error, len(holds))
	for i, id := range slices.Sorted(maps.Keys(holds)) {
		group.Go(func() error {
			err := w.write(ctx, id, holds[id])
			if guard.Is(err, ErrDecided) {
				others[i], err = err, nil
			}
			return err
		})
	}
	err = group.Wait()
	others = slices.DeleteFunc(others, func(err error) bool { return err == nil })
	if len(others) > maxNamed {
		others = append(others[:maxNamed], fmt.Errorf("and %d others: %w", len(others)-maxNamed, ErrDecided))
	}
	if err = errors.Join(append([]error{err}, others...)...); err != nil {
		return fmt.Errorf("results: %s items of run %q: %w", decision, runID, err)
	}
	return nil
}

// holdsOf returns the numbers of the holds of items by ID. ErrNotHeld: some are not held.
func holdsOf(ctx context.Context, bucket *blob.Bucket, r *Run, items []string) (map[string]int, error) {
	holds := make(map[string]int, len(items))
	for _, id := range items {
		holds[id] = 0
	}
	if len(holds) == 0 {
		return nil, nil
	}
	for h, err := range Held(ctx, bucket, r) {
		if err != nil {
			return nil, err
		}
		if _, asked := holds[h.ID]; asked {
			holds[h.ID] = h.Holds
		}
	}
	var missing []string
	for _, id := range slices.Sorted(maps.Keys(holds)) {
		if holds[id] == 0 {
			missing = append(missing, scrub.Word(scrub.Clip(id, runfolder.MaxNote)))
		}
	}
	if n := len(missing); n > 0 {
		more := ""
		if n > maxNamed {
			more = fmt.Sprintf(" and %d others", n-maxNamed)
		}
		return nil, fmt.Errorf("%w: %s%s: nothing was written", ErrNotHeld, strings.Join(missing[:min(n, maxNamed)], ", "), more)
	}
	return holds, nil
}

// decisionWriter writes decisions into the folder of a run.
type decisionWriter struct {
	bucket *blob.Bucket
	folder string
	file   runfolder.DecisionFile
}

// write creates the decision about the n-th hold of an item, or finds the same one.
func (w *decisionWriter) write(ctx context.Context, id string, n int) error {
	file := w.file
	file.ID = id
	key := w.folder + runfolder.DecisionName(id, n)
	content, err := runfolder.EncodeDecision(file)
	if err != nil {
		return fmt.Errorf("encode %q: %w", key, err)
	}
	err = publish.Create(ctx, w.bucket, key, "application/json", content)
	if !guard.Is(err, publish.ErrExists) {
		return err
	}
	first, why, err := runfolder.LoadDecision(ctx, w.bucket, key, id)
	shown := scrub.Word(scrub.Clip(id, runfolder.MaxNote))
	switch {
	case err != nil:
		return err
	case why != nil:
		return fmt.Errorf("item %s: %w: %q is there and is no valid decision: %w: remove it, and call again", shown, ErrDecided, key, why)
	case first.Decision != file.Decision:
		return fmt.Errorf("item %s: %w: %q says %s, by %q", shown, ErrDecided, key, first.Decision, first.By)
	}
	return nil
}
