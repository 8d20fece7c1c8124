package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/bucketname"
	"github.com/go-dmap/dmap/internal/glob"
	guarded "github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/listing"
	"github.com/go-dmap/dmap/internal/runfolder"
)

// ObjectsOptions choose among the objects. Objects that they leave out count as skipped.
type ObjectsOptions struct {
	// Glob must match the key below the prefix (and a slash there), as in a shell: *, ?, [a-z] and
	// [!a-z] between slashes, "**" for any number of directories, {json,csv} for either. An
	// asterisk also matches a leading dot. Patterns that a shell would read otherwise are refused.
	// "**/*.json" takes all JSON files. Empty: every key.
	Glob string
	// Match must accept the object. nil: every one. Called on the goroutine that lists.
	Match func(Object) bool
	// KeepFolders makes items of folder markers too: empty objects whose key ends in a slash, as
	// consoles create them.
	KeepFolders bool
	// AllowEmpty makes a listing without objects a success. Otherwise the run stays open with
	// dmap.ErrNoObjects, and finds objects that arrive later.
	AllowEmpty bool
	// Store are the abilities of the bucket's store. The zero value is right for every store.
	Store StoreFeatures
	// Listers is the number of key ranges that are listed at once, if the Store has StartAfter and
	// there is more than one page. 0: DefaultListers; 1: one page after the other.
	Listers int
	// StallTimeout limits the wait for the next byte of an object. 0: DefaultStallTimeout;
	// negative: no limit.
	StallTimeout time.Duration
	// MaxObject is the largest object, in bytes, that ReadAll, ReadInto and DecodeJSON take into
	// memory: a larger one is a *LimitError. 0: DefaultMaxObject; negative: no limit.
	MaxObject int64
}

// Listers that Objects has.
const (
	DefaultListers = 32
	maxListers     = 256
)

// Objects yields the objects whose keys start with prefix, in key order; all for an empty prefix.
// "data" also finds "database/x": end the prefix with a slash to mean a folder. A listing without
// an object, or with none that matches the Glob, ends with an error that matches
// [dmap.ErrNoObjects], unless AllowEmpty is set. Folder markers do not count as objects.
//
// The folders in which the run itself, and earlier runs beside it, keep their results are left out
// of the listing. To read the results of an earlier run, name its folder in the prefix.
//
// An object that is added during the run is an item if its key lies after the keys listed so far.
// With ObjectsOptions.Store a cloud is listed in key ranges, many at once, which are divided while
// they are read; items are in order within each range. Without it, or with MaxItems or
// MaxConcurrency 1, pages are listed one after the other, and a resumed run lists from the start up
// to its position.
func Objects(bucket *blob.Bucket, prefix string, options ...ObjectsOptions) dmap.Source[Object] {
	o := &objects{prefix: prefix, options: first(options)}
	o.origin = originOf(bucket, o.options.StallTimeout, o.options.Store)
	o.listed = true
	o.origin.most = o.options.MaxObject
	o.invalid = o.check(len(options))
	if o.invalid == nil && o.options.Listers != 1 && o.options.Store.StartAfter != nil {
		o.lister = listing.New(bucket, prefix, o.startAfter, o.listOptions())
	}
	return o
}

// startAfter calls that of the store; a panic counts as false.
func (o *objects) startAfter(as func(any) bool, prefix, key string) (known bool) {
	err := guard(func() error { known = o.options.Store.StartAfter(as, prefix, key); return nil })
	return known && err == nil
}

type objects struct {
	*origin
	prefix  string
	options ObjectsOptions
	glob    glob.Glob       // nil: none
	lister  *listing.Lister // nil: page after page
	invalid error
}

func (o *objects) check(n int) error { return invalid(o, o.wrong(n)) }

// wrong returns all that is wrong with the arguments, of which n are options.
func (o *objects) wrong(n int) error {
	err := errors.Join(checkOptions(n), checkBucket(o.bucket))
	if o.options.Listers < 0 || o.options.Listers > maxListers {
		err = errors.Join(err, fmt.Errorf("Listers %d: want 0 to %d", o.options.Listers, maxListers))
	}
	if o.options.Glob != "" {
		var bad error
		o.glob, bad = glob.Compile(o.options.Glob)
		err = errors.Join(err, bad)
	}
	return err
}

func (o *objects) String() string {
	s := "objects " + o.prefix
	if o.options.Glob != "" {
		if o.prefix != "" && !strings.HasSuffix(o.prefix, "/") {
			s += "/"
		}
		s += o.options.Glob
	}
	return strings.TrimSuffix(s, " ")
}

func (o *objects) Plan() dmap.Plan[Object] {
	if o.invalid != nil {
		return brokenPlan[Object](o.invalid)
	}
	p := dmap.Plan[Object]{Splits: o.splits, Read: o.read, Readers: 1, Origins: []any{o.origin}, Seeks: everywhere, Find: o.find, Preflight: o.preflight}
	if o.lister != nil {
		p.TrySplit, p.Readers, p.Sharing = o.trySplit, or(o.options.Listers, DefaultListers), byTrySplit
	}
	return p
}

// splits yields one split, whose cursors are keys.
func (o *objects) splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: "keys"}, nil) }
}

// Items lists page after page: key order.
func (o *objects) Items(ctx context.Context) iter.Seq2[dmap.Item[Object], error] {
	return o.items(ctx, dmap.Split{}, listing.After(ctx, o.bucket, o.prefix, "", o.listOptions()))
}

func (o *objects) read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[Object], error] {
	if o.lister == nil {
		return o.items(ctx, s, listing.After(ctx, o.bucket, o.prefix, s.From.Key, o.listOptions()))
	}
	return o.items(ctx, s, o.lister.After(ctx, s.From.Key, func() string { return dmap.EndOf(ctx, s).Key }))
}

func (o *objects) items(ctx context.Context, s dmap.Split, list iter.Seq2[*blob.ListObject, error]) iter.Seq2[dmap.Item[Object], error] {
	return func(yield func(dmap.Item[Object], error) bool) {
		own, err := newOwnResults(ctx, o.bucket, o.prefix)
		if err = errors.Join(o.invalid, err); err != nil {
			yield(dmap.Item[Object]{}, err)
			return
		}
		var index int64
		seen := o.options.AllowEmpty || s.From != (dmap.Cursor{}) // the engine judges pieces
		for listed, err := range list {
			if err != nil && listed == nil {
				yield(dmap.Item[Object]{}, o.located(err))
				return
			}
			at, unreadable := o.place(listed, err)
			if s.To.Key != "" && at > s.To.Key {
				break
			}
			if runfolder.IsProbe(listed.Key) {
				continue
			}
			result, err := own.holds(ctx, listed.Key)
			if err != nil {
				yield(dmap.Item[Object]{}, o.located(err))
				return
			}
			if result {
				continue
			}
			item := o.itemAt(listed, index, at, unreadable)
			seen = seen || item.Err == nil || !guarded.Is(item.Err, dmap.ErrNoObjects)
			if !yield(item, nil) {
				return
			}
			index++
		}
		if !seen {
			yield(dmap.Item[Object]{}, o.located(o.empty()))
		}
	}
}

// itemAt returns the item of an object, whose cursor is at. unreadable is why it cannot be read.
func (o *objects) itemAt(listed *blob.ListObject, index int64, at string, unreadable error) dmap.Item[Object] {
	item := o.item(listed, index)
	item.Next.Key = at
	if item.Err == nil {
		item.Err = unreadable
	}
	return item
}

// listOptions are the options of the listing.
func (o *objects) listOptions() listing.Options {
	options := listing.Options{Stall: o.options.StallTimeout}
	if o.options.Store.StartAfter != nil {
		options.Before = func(as func(any) bool) { o.startAfter(as, o.prefix, "") }
	}
	if stored := o.options.Store.StoredKey; stored != nil {
		options.Stored = func(listed *blob.ListObject) (key string) {
			_ = guard(func() error { key = stored(listed); return nil }) // no key: that of gocloud
			return key
		}
	}
	return options
}

// place returns the cursor after an object, and why the object cannot be read by its key. err is
// that of the listing, which is a *listing.Misplaced or nil. Where the store tells its keys, the
// object gets its key here.
func (o *objects) place(listed *blob.ListObject, err error) (at string, unreadable error) {
	at = listed.Key
	if o.options.Store.StoredKey != nil && strings.Contains(at, "__0x") {
		listed.Key = listing.Unescape(at)
		if !listing.Readable(at) {
			unreadable = fmt.Errorf("object %q: gocloud reads no object that is stored as %q", listed.Key, at)
		}
	}
	if err == nil {
		return at, unreadable
	}
	var misplaced *listing.Misplaced // it escapes: no allocation for each object
	if errors.As(err, &misplaced) {
		at = misplaced.At
		unreadable = errors.Join(unreadable, misplaced.Err)
	}
	return at, unreadable
}

// empty is the error of a listing without objects.
func (o *objects) empty() error {
	what := fmt.Sprintf("no object has the prefix %q", o.prefix)
	if o.options.Glob != "" {
		what = fmt.Sprintf("no object with the prefix %q matches the glob %.100q", o.prefix, o.options.Glob)
	}
	return fmt.Errorf("%w: %s: check both, or set ObjectsOptions.AllowEmpty", dmap.ErrNoObjects, what)
}

// located names the bucket in an error, where its name is known. The listing names the prefix.
func (o *objects) located(err error) error {
	if name := bucketname.Of(o.bucket); name != "" {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	return err
}

// trySplit chooses a key at which a range is divided.
func (o *objects) trySplit(ctx context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	ranges := make([]listing.Range, len(reading))
	for i, s := range reading {
		ranges[i] = listing.Range{From: s.From.Key, To: s.To.Key}
	}
	which, at.Key, ok = o.lister.Split(ctx, ranges)
	return which, at, ok
}

func (o *objects) item(listed *blob.ListObject, index int64) dmap.Item[Object] {
	item := dmap.Item[Object]{
		Key: listed.Key, Offset: dmap.WholeObject, Index: index, Value: o.object(listed), Size: max(listed.Size, 0),
		Next: dmap.Cursor{Key: listed.Key},
	}
	if o.options.Store.ETag != nil {
		item.Err = guard(func() error { item.Value.ETag = o.options.Store.ETag(listed); return nil })
	}
	if item.Err == nil {
		item.Err = guard(func() error { return o.skip(item.Value) })
	}
	return item
}

// notListed is the Err of a key that does not count as an object of its listing.
type notListed struct{}

func (notListed) Error() string { return dmap.ErrSkip.Error() }

// Is reports whether target is dmap.ErrSkip or dmap.ErrNoObjects.
func (notListed) Is(target error) bool { return target == dmap.ErrSkip || target == dmap.ErrNoObjects }

// skip returns an error that matches dmap.ErrSkip for an object that is not wanted.
func (o *objects) skip(object Object) error {
	switch {
	case !o.options.KeepFolders && object.Size == 0 && strings.HasSuffix(object.Key, "/"),
		!o.matches(object.Key):
		return notListed{}
	case o.options.Match != nil && !o.options.Match(object):
		return dmap.ErrSkip
	}
	return nil
}

// find returns an object as it is now.
func (o *objects) find(ctx context.Context, s dmap.Split) (dmap.Item[Object], error) {
	key := s.To.Key
	if o.options.Store.StoredKey != nil {
		key = listing.Unescape(key)
	}
	if listed, err := o.lists(ctx, key); err != nil {
		return dmap.Item[Object]{}, err
	} else if !listed {
		return dmap.Item[Object]{}, invalid(o, unknownSplit(dmap.Split{ID: key}))
	}
	now, err := o.object(&blob.ListObject{Key: key}).now(ctx)
	if err != nil {
		return dmap.Item[Object]{}, err
	}
	if o.options.Store.ETag == nil {
		now.ETag = ""
	}
	item := dmap.Item[Object]{Key: key, Offset: dmap.WholeObject, Size: now.Size, Next: s.To, Value: now}
	item.Err = guard(func() error { return o.skip(item.Value) })
	return item, nil
}

// byTrySplit is the Sharing of a listing that is divided while it is read.
func byTrySplit(dmap.Split) dmap.Sharing { return dmap.SharedByTrySplit }

// lists is the keyLister of o.
func (o *objects) lists(ctx context.Context, key string) (bool, error) {
	if !strings.HasPrefix(key, o.prefix) || !o.matches(key) || runfolder.IsProbe(key) {
		return false, nil
	}
	own, err := newOwnResults(ctx, o.bucket, o.prefix)
	if err != nil {
		return false, o.located(err)
	}
	result, err := own.holds(ctx, key)
	if err != nil {
		return false, o.located(err)
	}
	return !result, nil
}

// matches reports whether a key, which has the prefix, matches the Glob.
func (o *objects) matches(key string) bool {
	return o.glob == nil || o.glob.Match(strings.TrimPrefix(key[len(o.prefix):], "/"))
}
