package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/probe"
	"github.com/go-dmap/dmap/internal/transient"
)

// checkedKeys is the number of keys up to which a slice is searched for repeated ones.
const checkedKeys = 1_000_000

// Keys yields the objects with the given keys, in the order of the keys, as they are when they are
// read. Each costs a request for its attributes; options.Listers of them run at once. An object
// that does not exist fails as an item with the class "gone". No keys are no error.
//
// keys is a slice, or a sequence that yields the same keys each time; each key comes once. A run
// resumes only with the same keys, as with Slice and Seq. AllowEmpty has no effect.
func Keys[K []string | iter.Seq[string]](bucket *blob.Bucket, keys K, options ...ObjectsOptions) dmap.Source[Object] {
	var names dmap.Source[string]
	var repeated error
	switch list := any(keys).(type) {
	case []string:
		names, repeated = Slice(list), checkRepeated(list)
	case iter.Seq[string]:
		names = Seq(list)
	}
	k := &keyed{objects: objects{options: first(options)}}
	k.origin = originOf(bucket, k.options.StallTimeout, k.options.Store)
	k.origin.most = k.options.MaxObject
	k.ahead = or(k.options.Listers, DefaultListers)
	out := &planned[Object]{name: "keys of " + nameOf(names)}
	plans, err := plansOf(names)
	if err = errors.Join(err, repeated, k.wrong(len(options))); err != nil {
		out.plan = brokenPlan[Object](invalid(out, err))
		return out
	}
	k.keys = plans[0]
	out.plan = (&mapping[string, Object]{}).plan(k.keys) // the splits and what identifies the keys
	out.plan.Read, out.plan.Fill, out.plan.LocalKeys = k.read, nil, nil
	out.plan.Whole, out.plan.Preflight, out.plan.Skim = dmap.Split{}, k.preflight, nil
	out.plan.Readers, out.plan.Origins = 1, []any{k.origin} // a reader makes all requests at once
	return out
}

// checkRepeated returns an error for a key that is there twice.
func checkRepeated(keys []string) error {
	if len(keys) > checkedKeys {
		return nil
	}
	seen := make(map[string]int, len(keys))
	for i, key := range keys {
		if before, ok := seen[key]; ok {
			return fmt.Errorf("key %q is there twice, at %d and %d: items must be unique", key, before, i)
		}
		seen[key] = i
	}
	return nil
}

// keyed reads objects by their keys.
type keyed struct {
	objects // for its options
	keys    dmap.Plan[string]
	ahead   int // requests at once
}

func (k *keyed) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[Object], error] {
	return func(yield func(dmap.Item[Object], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wait sync.WaitGroup
		defer wait.Wait()
		defer cancel()
		var asked []chan dmap.Item[Object] // in order
		next := func() bool {
			item := <-asked[0]
			asked = asked[1:]
			return k.yield(ctx, item, yield)
		}
		for named, err := range k.keys.Read(ctx, s) {
			if err != nil {
				for len(asked) > 0 {
					if !next() {
						return
					}
				}
				yield(dmap.Item[Object]{}, err)
				return
			}
			if s.To != (dmap.Cursor{}) && compareCursors(named.Next, s.To) > 0 {
				break
			}
			answer := make(chan dmap.Item[Object], 1)
			asked = append(asked, answer)
			wait.Go(func() { answer <- k.item(ctx, named) })
			if len(asked) == k.ahead && !next() {
				return
			}
		}
		for len(asked) > 0 {
			if !next() {
				return
			}
		}
	}
}

// item asks for the attributes of the object that an item of the list names.
func (k *keyed) item(ctx context.Context, named dmap.Item[string]) dmap.Item[Object] {
	item := dmap.Item[Object]{
		Key: named.Value, Offset: dmap.WholeObject, Index: named.Index, Next: named.Next, Err: named.Err,
		Value: Object{Key: named.Value, from: k.origin},
	}
	if item.Err == nil && item.Key == "" {
		item.Err = fmt.Errorf("key %d is empty", named.Offset)
	}
	if item.Err == nil {
		item.Err = guard(func() (err error) { item.Value, err = item.Value.now(ctx); return err })
		item.Size = item.Value.Size
	}
	return item
}

// yield passes on an item, on the goroutine that reads. An error of the store that another request
// may not meet ends the source.
func (k *keyed) yield(ctx context.Context, item dmap.Item[Object], yield func(dmap.Item[Object], error) bool) bool {
	switch {
	case item.Err != nil && ctx.Err() != nil:
		yield(dmap.Item[Object]{}, context.Cause(ctx))
		return false
	case item.Err != nil && transient.Classify(item.Err) == transient.Transient:
		yield(dmap.Item[Object]{}, k.located(item.Err))
		return false
	case item.Err == nil:
		item.Err = guard(func() error { return k.skip(item.Value) })
	}
	return yield(item, nil)
}

// preflight asks for the attributes of the first key and opens its object.
func (k *keyed) preflight(ctx context.Context, report func(dmap.Check)) {
	bucket := probe.Of(k.bucket, report)
	var named *dmap.Item[string] // that of an abandoned try is not looked at
	if _, err := probe.Within(ctx, func(ctx context.Context) (_ string, err error) {
		named, err = k.firstKey(ctx)
		return "", err
	}); err != nil {
		report(dmap.Check{Op: "read the first key", Err: err})
		return
	}
	if named == nil {
		bucket.Skip(probe.Attributes, "", "there are no keys")
		bucket.Skip(probe.Read, "", "there is no object to read")
		return
	}
	first := new(dmap.Item[Object])
	err := bucket.Try(ctx, probe.Attributes, named.Value, func(ctx context.Context) (string, error) {
		*first = k.item(ctx, *named)
		return "", first.Err
	})
	tryOpen(ctx, bucket, first, err)
}

// firstKey returns the first key, nil if there is none.
func (k *keyed) firstKey(ctx context.Context) (*dmap.Item[string], error) {
	for s, err := range k.keys.Splits(ctx) {
		if err != nil {
			return nil, err
		}
		for named, err := range k.keys.Read(ctx, s) {
			return &named, err
		}
	}
	return nil, nil
}
