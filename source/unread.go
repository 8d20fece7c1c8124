package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder/convert"
)

// Unread yields the items of src that an ended run of dmap over src did not read: none, if it read
// all. manifest is the key of its manifest. Unread, Failures and Pending together are all items
// that the run did not process with success.
func Unread[T any](src dmap.Source[T], bucket *blob.Bucket, manifest string) dmap.Source[T] {
	u := &unread[T]{src: src, bucket: bucket, key: manifest}
	plans, err := plansOf(src)
	u.plan, u.invalid = plans[0], invalid(u, errors.Join(err, checkManifest(bucket, manifest)))
	return u
}

type unread[T any] struct {
	src     dmap.Source[T]
	plan    dmap.Plan[T] // of src
	bucket  *blob.Bucket
	key     string
	invalid error
}

func (u *unread[T]) String() string {
	return "unread items of " + nameOf(u.src) + " by " + u.key
}

// Plan has no LocalKeys: the items keep the keys that they have in the source.
func (u *unread[T]) Plan() dmap.Plan[T] {
	if u.invalid != nil {
		return brokenPlan[T](u.invalid)
	}
	return dmap.Plan[T]{Splits: u.splits, Read: u.plan.Read, Origins: u.plan.Origins}
}

// splits yields the splits that the run planned and did not read to their end, each from the cursor
// at which reading stopped, then the splits that the run did not plan.
func (u *unread[T]) splits(ctx context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		rest, err := u.load(ctx)
		if err != nil {
			yield(dmap.Split{}, invalid(u, err))
			return
		}
		for _, s := range rest.Splits {
			if !yield(s, nil) {
				return
			}
		}
		if rest.All || rest.After != nil {
			u.planRest(ctx, rest, yield)
		}
	}
}

// load reads the manifest and checks that the run read this source.
func (u *unread[T]) load(ctx context.Context) (dmap.Unread, error) {
	m, err := loadManifest(ctx, u.bucket, u.key, true)
	switch {
	case err != nil:
		return dmap.Unread{}, err
	case m.Format == 0:
		return dmap.Unread{}, fmt.Errorf("manifest %q is not of dmap: it does not name unread items", u.key)
	case m.Source != nameOf(u.src):
		return dmap.Unread{}, fmt.Errorf("manifest belongs to run %q of source %q", m.RunID, m.Source)
	}
	return convert.Unread(m.Unread), nil
}

// planRest yields the unread parts of the splits after rest.After, or of all splits.
func (u *unread[T]) planRest(ctx context.Context, rest dmap.Unread, yield func(dmap.Split, error) bool) {
	after, left := rest.After, rest.Remaining()
	found := after == nil
	for s, err := range u.plan.Splits(ctx) {
		if err != nil {
			yield(dmap.Split{}, err)
			return
		}
		if found = found || s.ID == after.ID; !found {
			continue
		}
		for _, piece := range left(s) {
			if !yield(piece, nil) {
				return
			}
		}
	}
	if !found {
		yield(dmap.Split{}, invalid(u, fmt.Errorf("source no longer has split %q, after which the run stopped planning", after.ID)))
	}
}

func (u *unread[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, u.Plan())
}
