package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/budget"
	"github.com/go-dmap/dmap/internal/glob"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// RedriveOptions choose among the items of Failures and Pending. The other items count as skipped.
type RedriveOptions struct {
	// Classes of errors to take: dmap.Class, or the Error of Step Functions. Empty: all.
	Classes []string
	// Glob must match the item's key, as in ObjectsOptions. Empty: every key.
	Glob string
	// Match must accept the item. nil: every one. Called on the goroutines that read; a panic fails
	// the item.
	Match func(Outcome) bool
	// In is the bucket of the items themselves, if T is Object: without it they cannot be opened.
	In *blob.Bucket
	// WholeBatches makes one item of each batch of Step Functions: {"BatchInput": ..., "Items":
	// [...]}. Otherwise each of its Items is an item.
	WholeBatches bool
	// Anywhere lets the manifest name parts outside its own folder.
	Anywhere bool
	// MaxRecord is the largest number of bytes of a record; a longer one fails as an item. 0:
	// DefaultMaxRecord.
	MaxRecord int
	// StallTimeout is the longest time without a byte while reading. 0: DefaultStallTimeout;
	// negative: no limit.
	StallTimeout time.Duration
}

// Outcome is the record of an item in the earlier run.
type Outcome struct {
	Key      string // of Step Functions: the name of the child execution
	Offset   int64  // of Step Functions: the position in the batch
	Attempts int    // calls that were made
	Class    string // of the error; empty: there is none
	Error    string
	Status   string          // of Step Functions: FAILED, TIMED_OUT, ABORTED
	Input    json.RawMessage // the item's value; nil: the record has none
}

// Failures yields the inputs of the items that failed in an ended run, decoded into T, under their
// old keys and offsets. manifest is the key of its manifest (manifest-000.json in the folder of a
// run of dmap), written by dmap or by Step Functions.
//
// Each part is a split. A record without an input, or whose input is no T, fails as an item, and so
// does an item that could not be read in that run: its input is unknown. A part of dmap is read
// twice: the first reading compares its SHA-256 with the manifest before any of its records is an
// item, also when a run resumes. A part that differs ends the source with an error.
func Failures[T any](bucket *blob.Bucket, manifest string, options ...RedriveOptions) dmap.Source[T] {
	return newRedrive[T]("failures", bucket, manifest, options)
}

// Pending yields, as [Failures] does, the items that an ended run had read but not settled.
func Pending[T any](bucket *blob.Bucket, manifest string, options ...RedriveOptions) dmap.Source[T] {
	return newRedrive[T]("pending", bucket, manifest, options)
}

// redrive reads the records of a run as items.
type redrive[T any] struct {
	kind    string // "failures" or "pending"
	key     string // of the manifest
	options RedriveOptions
	glob    glob.Glob // nil: every key
	parts   *origin   // of the records
	inputs  *origin   // of the objects that the records name; nil: unknown
	known   sync.Map  // of part to Object: parts that agree with the manifest
	invalid error
}

func newRedrive[T any](kind string, bucket *blob.Bucket, manifest string, options []RedriveOptions) *redrive[T] {
	r := &redrive[T]{kind: kind, key: manifest, options: first(options)}
	r.parts = newOrigin(bucket, r.options.StallTimeout)
	if r.options.In != nil {
		r.inputs = newOrigin(r.options.In, r.options.StallTimeout)
	}
	err := errors.Join(checkOptions(len(options)), checkManifest(bucket, manifest), checkLimit("MaxRecord", r.options.MaxRecord))
	if r.options.Glob != "" {
		var bad error
		r.glob, bad = glob.Compile(r.options.Glob)
		err = errors.Join(err, bad)
	}
	r.invalid = invalid(r, err)
	return r
}

func checkManifest(bucket *blob.Bucket, key string) error {
	err := checkBucket(bucket)
	if key == "" {
		err = errors.Join(err, errors.New("the manifest's key is empty"))
	}
	return err
}

func (r *redrive[T]) String() string { return r.kind + " of " + r.key }

func (r *redrive[T]) Plan() dmap.Plan[T] {
	if r.invalid != nil {
		return brokenPlan[T](r.invalid)
	}
	p := dmap.Plan[T]{Splits: r.splits, Read: r.readPart}
	if r.inputs != nil {
		p.Origins = []any{r.inputs}
	}
	return p
}

// splits yields the parts, as the manifest names them.
func (r *redrive[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		m, err := loadManifest(ctx, r.parts.bucket, r.key, r.options.Anywhere)
		if err != nil {
			yield(dmap.Split{}, invalid(r, err))
			return
		}
		parts := m.ResultFiles.Failed
		if r.kind == "pending" {
			parts = m.ResultFiles.Pending
		}
		for _, p := range parts {
			if !yield(part{p, m.Format > 0}.split(), nil) {
				return
			}
		}
	}
}

func (r *redrive[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, r.Plan())
}

func (r *redrive[T]) readPart(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	p, err := partOf(s)
	if err == nil && !r.options.Anywhere && !runfolder.Within(folderOf(r.key), p.Key) {
		err = unknownSplit(s)
	}
	if err != nil {
		return broken[dmap.Item[T]](invalid(r, err))
	}
	return func(yield func(dmap.Item[T], error) bool) {
		in, err := r.open(ctx, p, s.From.Offset)
		if err != nil {
			yield(dmap.Item[T]{}, err)
			return
		}
		defer in.Close()
		r.read(ctx, in, s.To.Offset, yield)
	}
}

// A cursor of a part holds a byte offset, and the number of items of the record there that have
// been read.
const (
	batchBits = 20
	maxBatch  = 1<<batchBits - 1
)

// read yields the items that begin before the cursor to, 0: all.
func (r *redrive[T]) read(ctx context.Context, in *partReader, to int64, yield func(dmap.Item[T], error) bool) {
	for index := int64(0); ; in.taken = 0 {
		more, err := r.readRecord(ctx, in, to, &index, yield)
		if err != nil && err != io.EOF {
			yield(dmap.Item[T]{}, err)
		}
		if !more {
			return
		}
	}
}

// largeRecord is the size in bytes from which a record takes a part of the budget of all readers:
// copies times its size, for its line, its input as text and as JSON, its items, and the window
// that finds them.
const (
	largeRecord = 1 << 20
	copies      = 6
)

// readRecord yields the items of the next record that begin before the cursor to. more says that
// the record after it is to be read, too.
func (r *redrive[T]) readRecord(ctx context.Context, in *partReader, to int64, index *int64, yield func(dmap.Item[T], error) bool) (more bool, err error) {
	cursor := in.End()<<batchBits + in.taken
	fault, err := in.next()
	if err != nil {
		return false, err
	}
	if size := in.End() - in.Offset(); size > largeRecord {
		release, err := budget.Take(ctx, copies*size)
		if err != nil {
			return false, err
		}
		defer release()
	}
	all := r.outcomesOf(in, fault)
	all.skip(in.taken)
	for i := in.taken; i < all.len(); i++ {
		if to > 0 && cursor >= to {
			return false, nil
		}
		if cursor++; i == all.len()-1 {
			cursor = in.End() << batchBits
		}
		one := all.at(i)
		item := r.item(in, &one)
		item.Index, item.Next = *index, dmap.Cursor{Offset: cursor}
		*index++
		if !yield(item, nil) {
			return false, nil
		}
	}
	return true, nil
}

// outcomesOf returns the outcomes of the record that in has found: one, or those of a batch. A
// fault of the record becomes the error of one item, which is named by the position of the record.
func (r *redrive[T]) outcomesOf(in *partReader, fault error) (all outcomes) {
	var err error
	switch {
	case fault != nil:
	case in.part.own:
		all.outcome, err = ownOutcome(in.Bytes(), r.kind == "failures")
		fault = in.located(err)
	default:
		fallback := fmt.Sprintf("%s@%d", in.part.Key, in.Offset())
		all, err = childOutcomes(in.Bytes(), fallback, !r.options.WholeBatches)
		fault = in.located(err)
	}
	if fault != nil {
		return outcomes{outcome: outcome{Outcome: Outcome{Key: in.part.Key, Offset: in.Offset()}, err: fault, garbled: true}}
	}
	return all
}

// item makes an item of the outcome of an earlier one.
func (r *redrive[T]) item(in *partReader, o *outcome) dmap.Item[T] {
	item := dmap.Item[T]{Key: o.Key, Offset: o.Offset, Size: int64(len(o.Input))}
	if o.garbled {
		item.Err = o.err
		return item
	}
	if item.Err = guard(func() error { return r.skip(o) }); item.Err != nil {
		return item
	}
	if o.err != nil {
		item.Err = o.located(in)
		return item
	}
	err := guard(func() error { return json.Unmarshal(o.Input, &item.Value) })
	if err != nil {
		item.Err = in.located(fmt.Errorf("input of %q%s: %w", item.ID(), jsonPosition(err), guarded.Shown(err)))
	}
	if object, ok := any(&item.Value).(*Object); ok {
		object.from = r.inputs
	}
	return item
}

// skip returns dmap.ErrSkip for an item that the options do not choose.
func (r *redrive[T]) skip(o *outcome) error {
	switch {
	case len(r.options.Classes) > 0 && !slices.Contains(r.options.Classes, o.Class),
		r.glob != nil && !r.glob.Match(o.Key),
		r.options.Match != nil && !r.options.Match(o.Outcome):
		return dmap.ErrSkip
	}
	return nil
}
