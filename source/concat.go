package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-dmap/dmap/dmap"
)

// Concat yields the items of one source after those of the other. Items of different sources must
// not have the same ID, as the same key in two buckets would: IDs identify results and make
// idempotency keys. Items that are numbered within their source, as those of slices and sequences,
// get the position of their source as a prefix: "0/item", "1/item" (see dmap.Plan.LocalKeys).
//
// The run reads the sources at once, each as it can be read: Concat plans, reads, resumes and
// divides the splits of each source by its own Plan. It fills only if all sources do.
func Concat[T any](sources ...dmap.Source[T]) dmap.Source[T] {
	names := make([]string, len(sources))
	for i, src := range sources {
		names[i] = nameOf(src)
	}
	out := &planned[T]{name: "concat of (" + strings.Join(names, ") and (") + ")"}
	parts, err := plansOf(sources...)
	if err != nil {
		out.plan = brokenPlan[T](invalid(out, err))
		return out
	}
	out.plan = (&concat[T]{name: out.name, parts: parts}).plan()
	out.lists = listsOf(sources...)
	return out
}

// concat routes by the ID of a split, which starts with the position of its source: "1/keys".
type concat[T any] struct {
	name  string
	parts []dmap.Plan[T]
	local bool          // some part has keys that get a prefix
	asked atomic.Uint32 // the calls of trySplit, so that each starts with another part
}

func (c *concat[T]) plan() dmap.Plan[T] {
	out := dmap.Plan[T]{Splits: c.splits, Read: c.read, LocalKeys: c.localKeys, Seeks: c.seeks, Preflight: c.preflight, Sharing: c.sharing, Skim: c.skim}
	fills, resumes, divides, finds, rests, layouts := len(c.parts) > 0, false, false, false, false, false
	// The largest number of readers, and at least the default, so that parts with one reader each
	// are read together. Not the sum: each part chose its number for the memory and the connections
	// that its readers take.
	out.Readers = defaultReaders
	for _, p := range c.parts {
		fills = fills && p.Fill != nil
		resumes = resumes || p.Resume != nil
		c.local = c.local || p.LocalKeys != nil
		if p.Version != nil {
			out.Version = c.version
		}
		divides = divides || p.TrySplit != nil
		finds = finds || p.Find != nil
		rests = rests || p.Rest != nil
		layouts = layouts || p.Layout != nil
		out.Readers = max(out.Readers, p.Readers)
		out.Origins = append(out.Origins, p.Origins...)
	}
	if fills {
		out.Fill = c.fill
	}
	if resumes {
		out.Resume = c.resume
	}
	if finds {
		out.Find = c.find
	}
	if rests {
		out.Rest = c.rest
	}
	if layouts {
		out.Layout = c.layout
	}
	if divides {
		out.TrySplit = c.trySplit
	}
	return out
}

func prefix(i int) string { return strconv.Itoa(i) + "/" }

// part returns the position of the part that s belongs to, and s as that part knows it.
func (c *concat[T]) part(s dmap.Split) (i int, own dmap.Split, err error) {
	position, id, ok := strings.Cut(s.ID, "/")
	i, err = strconv.Atoi(position)
	if !ok || err != nil || i < 0 || i >= len(c.parts) {
		return 0, s, invalidNamed(c.name, unknownSplit(s))
	}
	s.ID = id
	return i, s, nil
}

func (c *concat[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return c.each(func(_ int, p dmap.Plan[T]) iter.Seq2[dmap.Split, error] { return p.Splits(ctx) })
}

func (c *concat[T]) resume(ctx context.Context, settled func(id string) (dmap.Cursor, bool)) iter.Seq2[dmap.Split, error] {
	return c.each(func(i int, p dmap.Plan[T]) iter.Seq2[dmap.Split, error] {
		if p.Resume == nil {
			return p.Splits(ctx)
		}
		return p.Resume(ctx, func(id string) (dmap.Cursor, bool) { return settled(prefix(i) + id) })
	})
}

// each yields the splits that plan returns for each part.
func (c *concat[T]) each(plan func(i int, p dmap.Plan[T]) iter.Seq2[dmap.Split, error]) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for i, p := range c.parts {
			for split, err := range plan(i, p) {
				split.ID = prefix(i) + split.ID
				if !yield(split, err) || err != nil {
					return
				}
			}
		}
	}
}

func (c *concat[T]) version(ctx context.Context, s dmap.Split) (string, error) {
	i, own, err := c.part(s)
	if err != nil || c.parts[i].Version == nil {
		return s.Version, err
	}
	return c.parts[i].Version(ctx, own)
}

// rest asks the part that s belongs to. One without Rest reads no object of another version on.
func (c *concat[T]) rest(ctx context.Context, s dmap.Split) (string, error) {
	i, own, err := c.part(s)
	if err != nil {
		return "", err
	}
	if c.parts[i].Rest == nil {
		return "", changed(s.Object, "content before the break", s.Before, "unknown")
	}
	return c.parts[i].Rest(ctx, own)
}

// layout asks the part that s belongs to.
func (c *concat[T]) layout(ctx context.Context, s dmap.Split) (dmap.Layout, error) {
	i, own, err := c.part(s)
	if err != nil {
		return dmap.Layout{}, err
	}
	if c.parts[i].Layout == nil {
		return dmap.Layout{}, errors.ErrUnsupported
	}
	return c.parts[i].Layout(ctx, own)
}

func (c *concat[T]) localKeys(s dmap.Split) bool {
	i, own, err := c.part(s)
	return err == nil && c.parts[i].LocalKeys != nil && c.parts[i].LocalKeys(own)
}

func (c *concat[T]) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	i, own, err := c.part(s)
	if err != nil {
		return broken[dmap.Item[T]](err)
	}
	p := c.parts[i]
	if p.LocalKeys == nil || !p.LocalKeys(own) {
		return c.unambiguous(p.Read(ctx, own))
	}
	return func(yield func(dmap.Item[T], error) bool) {
		keys := prefixed{prefix: prefix(i)}
		for item, err := range p.Read(ctx, own) {
			if err == nil {
				item.Key = keys.key(item.Key)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// unambiguous ends items with an error if one of them has the ID of a numbered item of another
// part.
func (c *concat[T]) unambiguous(items iter.Seq2[dmap.Item[T], error]) iter.Seq2[dmap.Item[T], error] {
	if !c.local {
		return items
	}
	return func(yield func(dmap.Item[T], error) bool) {
		for item, err := range items {
			if err == nil && c.isNumbered(item.Key, item.Offset) {
				err = invalidNamed(c.name, fmt.Errorf("object %q has the ID of a numbered item: give the numbered values keys in a source of their own", item.Key))
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// isNumbered reports whether a key and offset make the ID of a value of a slice or sequence, which
// is the "0/item@5" of part 0, or "0/1/item@5" if that is a Concat itself.
func (c *concat[T]) isNumbered(key string, offset int64) bool {
	if key == "" || key[0] < '0' || key[0] > '9' {
		return false
	}
	position, rest, _ := strings.Cut(key, "/")
	i, err := strconv.Atoi(position)
	if err != nil || i >= len(c.parts) || c.parts[i].LocalKeys == nil || position != strconv.Itoa(i) {
		return false
	}
	rest = rest[strings.LastIndexByte(rest, '/')+1:]
	number, of := strings.CutPrefix(rest, itemKey+"@")
	return rest == itemKey && offset != dmap.WholeObject || of && offset == dmap.WholeObject && strings.Trim(number, "0123456789") == ""
}

func (c *concat[T]) fill(ctx context.Context, s dmap.Split, items []dmap.Item[T]) (int, error) {
	i, own, err := c.part(s)
	if err != nil {
		return 0, err
	}
	p := c.parts[i]
	n, err := p.Fill(ctx, own, items)
	if err != nil || p.LocalKeys == nil || !p.LocalKeys(own) {
		return n, err
	}
	keys := prefixed{prefix: prefix(i)}
	for k := range items[:max(0, min(n, len(items)))] {
		items[k].Key = keys.key(items[k].Key)
	}
	return n, nil
}

// prefixed puts a prefix before keys. Equal keys that follow each other share their memory.
type prefixed struct{ prefix, last, result string }

func (p *prefixed) key(key string) string {
	if p.result == "" || key != p.last {
		p.last, p.result = key, p.prefix+key
	}
	return p.result
}

// trySplit asks one part after the other, each about its own splits. It starts with another part at
// each call, so that all are divided alike.
func (c *concat[T]) trySplit(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	splits := make([][]dmap.Split, len(c.parts))
	indexes := make([][]int, len(c.parts)) // in reading
	for k, s := range reading {
		if i, own, err := c.part(s); err == nil && c.parts[i].TrySplit != nil {
			splits[i] = append(splits[i], own)
			indexes[i] = append(indexes[i], k)
		}
	}
	start := int(c.asked.Add(1)) % max(1, len(c.parts))
	for n := range c.parts {
		i := (start + n) % len(c.parts)
		if len(splits[i]) == 0 {
			continue
		}
		which, at, ok := c.parts[i].TrySplit(ctx, splits[i])
		if ok && which >= 0 && which < len(splits[i]) {
			return indexes[i][which], at, true
		}
	}
	return 0, at, false
}

// find asks the part that s belongs to.
func (c *concat[T]) find(ctx context.Context, s dmap.Split) (item dmap.Item[T], err error) {
	i, own, err := c.part(s)
	if err != nil {
		return item, err
	}
	p := c.parts[i]
	if p.Find == nil {
		return item, errors.ErrUnsupported
	}
	item, err = p.Find(ctx, own)
	if err == nil && p.LocalKeys != nil && p.LocalKeys(own) {
		item.Key = prefix(i) + item.Key
	}
	return item, err
}

func (c *concat[T]) seeks(s dmap.Split) bool {
	i, own, err := c.part(s)
	return err == nil && c.parts[i].Seeks != nil && c.parts[i].Seeks(own)
}

// preflight tries all parts.
func (c *concat[T]) preflight(ctx context.Context, report func(dmap.Check)) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, partsAtOnce)
	for _, p := range c.parts {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := guard(func() error { p.Try(ctx, report); return nil }); err != nil {
				report(dmap.Check{Op: "try a part of " + c.name, Err: err})
			}
		})
	}
}

func (c *concat[T]) sharing(s dmap.Split) dmap.Sharing {
	i, own, err := c.part(s)
	if err != nil || c.parts[i].Sharing == nil {
		return dmap.SharedByReading
	}
	return c.parts[i].Sharing(own)
}

// skim asks the part that s belongs to. Only cursors count, so keys get no prefix.
func (c *concat[T]) skim(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[T], error] {
	i, own, err := c.part(s)
	if err != nil {
		return broken[dmap.Item[T]](err)
	}
	if p := c.parts[i]; p.Skim != nil {
		return p.Skim(ctx, own)
	}
	return c.parts[i].Read(ctx, own)
}
