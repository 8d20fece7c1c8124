package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/fingerprint"
	"github.com/go-dmap/dmap/internal/probe"
)

// itemKey is the key of items that have none: "item@5" names the sixth.
const itemKey = "item"

// A slice has splits of sliceSplit values, and at most sliceSplits splits: each costs a run on many
// machines some hundred bytes of its plan, of a lease and of records.
const (
	sliceSplit  = 10_000
	sliceSplits = 256
)

// splitSize is the number of values in a split of a slice of n.
func splitSize(n int) int64 {
	return sliceSplit * max(1, (int64(n)+sliceSplit*sliceSplits-1)/(sliceSplit*sliceSplits))
}

// SliceOptions tune Slice, and Seq and Seq2 as SeqOptions.
type SliceOptions[T any] struct {
	// Identity returns all of a value that must be the same when a run resumes, such as its name in
	// a database. Only durable runs call it, on the goroutines that read. nil: everything that the
	// value holds and points to counts, also unexported fields, but not fields with the tag
	// `dmap:"-"`. Values with functions or channels need an Identity, or the tag.
	Identity func(T) string
}

// Slice yields the values of a slice, which must not change during the run, in splits of 10,000, or
// larger ones of the same size so that they are at most 256. A run resumes only with the same
// values in the same order: otherwise it ends with dmap.ErrSpecChanged. At most one SliceOptions
// may be given.
//
// The comparison takes a hash of all values in durable runs: about 10 ns of CPU for a number, 20 ns
// for 40 bytes of text, 70 ns for a small struct, 1 us for a map of two entries (BenchmarkHash of
// internal/fingerprint). Other runs do without it.
func Slice[T any](items []T, options ...SliceOptions[T]) dmap.Source[T] {
	s := &slice[T]{items: items, each: splitSize(len(items)), identity: identityOf("Slice", options)}
	s.invalid = invalid(s, checkOptions(len(options)))
	return s
}

type slice[T any] struct {
	items    []T
	each     int64 // values in a split
	identity identity[T]
	invalid  error
	versions sync.Map // of split ID to Version
}

func (s *slice[T]) String() string { return fmt.Sprintf("slice of %d", len(s.items)) }

func (s *slice[T]) Plan() dmap.Plan[T] {
	if s.invalid != nil {
		return brokenPlan[T](s.invalid)
	}
	fill := func(_ context.Context, split dmap.Split, items []dmap.Item[T]) (int, error) {
		return s.fill(split, items), s.has(split)
	}
	return dmap.Plan[T]{
		Splits: s.splits, Read: s.read, Version: s.version, Fill: fill, LocalKeys: allLocal, Whole: dmap.Split{ID: itemKey},
		Seeks: everywhere, Preflight: s.preflight,
	}
}

func (s *slice[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, s.Plan())
}

func (s *slice[T]) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		all := int64(len(s.items))
		for from := int64(0); from < all; from += s.each {
			split := dmap.Split{ID: itemKey + strconv.FormatInt(from, 10), From: dmap.Cursor{Offset: from}}
			if to := from + s.each; to < all {
				split.To.Offset = to
			}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (s *slice[T]) read(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[T], error] {
	if err := errors.Join(s.has(split), s.checkVersion(ctx, split)); err != nil {
		return broken[dmap.Item[T]](err)
	}
	return func(yield func(dmap.Item[T], error) bool) {
		from, to := s.bounds(split)
		for i := from; i < to; i++ {
			item := dmap.Item[T]{Key: itemKey, Offset: i, Index: i - from, Value: s.items[i], Next: dmap.Cursor{Offset: i + 1}}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// version is a hash of the values of the split that an ID names, also if split is a part of it.
func (s *slice[T]) version(ctx context.Context, split dmap.Split) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err := s.has(split); err != nil {
		return "", err
	}
	from, _ := strconv.ParseInt(strings.TrimPrefix(split.ID, itemKey), 10, 64) // checked
	var h fingerprint.Hash
	for i := from; i < min(from+s.each, int64(len(s.items))); i++ {
		var err error
		if h, err = s.identity.add(h, i, &s.items[i]); err != nil {
			return "", err
		}
	}
	version := contentVersion + h.String()
	s.versions.Store(split.ID, version) // a run computes it before it reads the split
	return version, nil
}

// checkVersion compares the values with the Version of a split that was stored.
func (s *slice[T]) checkVersion(ctx context.Context, split dmap.Split) error {
	if split.Version == "" {
		return nil
	}
	var err error
	now, ok := s.versions.Load(split.ID)
	if !ok {
		now, err = s.version(ctx, split)
	}
	if err == nil && now != split.Version {
		err = &ChangedError{Key: split.ID, What: "content", Was: split.Version, Now: fmt.Sprint(now)}
	}
	return err
}

// fill sets items to the first items of split and returns their number.
func (s *slice[T]) fill(split dmap.Split, items []dmap.Item[T]) int {
	from, to := s.bounds(split)
	n := int(min(to-from, int64(len(items))))
	for k := range n {
		item, i := &items[k], from+int64(k) // field by field: a composite literal would be built first, then copied
		item.Key, item.Offset, item.Value, item.Next.Offset = itemKey, i, s.items[i], i+1
	}
	return n
}

// has returns an error for a split that Splits does not yield, nor Plan.Whole: it must lie in the
// range of its ID.
func (s *slice[T]) has(split dmap.Split) error {
	if split.ID == itemKey {
		return nil
	}
	number, ok := strings.CutPrefix(split.ID, itemKey)
	from, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || number != "0" && number[0] < '1' || from >= int64(len(s.items)) || from%s.each != 0 ||
		split.From.Offset < from || split.From.Offset > from+s.each || split.To.Offset > from+s.each ||
		split.To.Offset == 0 && from+s.each < int64(len(s.items)) {
		return invalid(s, unknownSplit(split))
	}
	return nil
}

// bounds returns the positions of a split's items.
func (s *slice[T]) bounds(split dmap.Split) (from, to int64) {
	all := int64(len(s.items))
	to = split.To.Offset
	if to == 0 {
		to = all
	}
	return min(max(split.From.Offset, 0), all), min(max(to, split.From.Offset), all)
}

// preflight has nothing to try.
func (s *slice[T]) preflight(_ context.Context, report func(dmap.Check)) {
	report(dmap.Check{Op: string(probe.Read), Found: fmt.Sprintf("%d values in memory", len(s.items))})
}
