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

// Unread yields what an ended run of dmap has left unread of src, the source it was given: nothing, if it read all of it.
// manifest is the key of its manifest. Unread, Failures and Pending together are all that a run has left undone.
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
	return "what " + u.key + " left unread of " + nameOf(u.src)
}

// Plan has no LocalKeys: the items keep the keys that they have in the source.
func (u *unread[T]) Plan() dmap.Plan[T] {
	if u.invalid != nil {
		return brokenPlan[T](u.invalid)
	}
	return dmap.Plan[T]{Splits: u.splits, Read: u.plan.Read, Origins: u.plan.Origins}
}

// splits yields the splits that were begun or waited, each from where its reading stood, then those that had not been
// planned.
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

// load reads the manifest and checks that it is about this source.
func (u *unread[T]) load(ctx context.Context) (dmap.Unread, error) {
	m, err := loadManifest(ctx, u.bucket, u.key, true)
	switch {
	case err != nil:
		return dmap.Unread{}, err
	case m.Format == 0:
		return dmap.Unread{}, fmt.Errorf("manifest %q is not one of dmap: it does not say what was left unread", u.key)
	case m.Source != nameOf(u.src):
		return dmap.Unread{}, fmt.Errorf("run %q read %q", m.RunID, m.Source)
	}
	return convert.Unread(m.Unread), nil
}

// planRest yields what is left of the splits of the source behind rest.After, or of all of them.
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
		yield(dmap.Split{}, invalid(u, fmt.Errorf("it has no split %q any more, behind which the run read nothing", after.ID)))
	}
}

func (u *unread[T]) Items(ctx context.Context) iter.Seq2[dmap.Item[T], error] {
	return inOrder(ctx, u.Plan())
}
