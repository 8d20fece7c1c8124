package listing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// cloud lists keys as a remote store does: a request for each page, at most 1,000 keys,
// tokens of its own.
type cloud struct {
	driver.Bucket // the rest is not called
	keys          []string
	pages         atomic.Int32
	largest       int
}

func (c *cloud) As(any) bool  { return false }
func (c *cloud) Close() error { return nil }

func (c *cloud) ListPaged(_ context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	c.pages.Add(1)
	c.largest = max(c.largest, o.PageSize)
	if err := o.BeforeList(func(any) bool { return false }); err != nil {
		return nil, err
	}
	from := 0
	if len(o.PageToken) > 0 {
		if _, err := fmt.Sscanf(string(o.PageToken), "page-%d", &from); err != nil {
			return nil, err
		}
	}
	to := min(from+min(o.PageSize, 1000), len(c.keys))
	page := &driver.ListPage{}
	for _, key := range c.keys[from:to] {
		page.Objects = append(page.Objects, &driver.ListObject{Key: key})
	}
	if to < len(c.keys) {
		page.NextPageToken = fmt.Appendf(nil, "page-%d", to)
	}
	return page, nil
}

func newCloud(tb testing.TB, n int) (*cloud, *blob.Bucket) {
	store := &cloud{}
	for i := range n {
		store.keys = append(store.keys, fmt.Sprintf("%06d", i))
	}
	bucket := blob.NewBucket(store)
	tb.Cleanup(func() { require.NoError(tb, bucket.Close()) })
	return store, bucket
}

func TestCloudsAreListedByTokensOnePageAhead(t *testing.T) {
	store, bucket := newCloud(t, 4500)
	n := 0
	for object, err := range After(t.Context(), bucket, "", "") {
		require.NoError(t, err)
		require.Equal(t, store.keys[n], object.Key)
		require.LessOrEqual(t, int(store.pages.Load()), n/1000+2)
		n++
	}
	require.Equal(t, 4500, n)
	require.EqualValues(t, 5, store.pages.Load())
	require.Equal(t, 1000, store.largest)
}

func TestCloudsAreListedFromTheStartToReachAPosition(t *testing.T) {
	store, bucket := newCloud(t, 2500)
	got := keysOf(t, After(t.Context(), bucket, "", "001999"))
	require.True(t, slices.Equal(store.keys[2000:], got))
}

// Keys that the driver escapes come out of byte order. Their positions are not their keys.
func TestAListingIsResumedAfterAnyKeyAlsoOutOfByteOrder(t *testing.T) {
	store, bucket := newCloud(t, 0)
	store.keys = []string{"a0", "a\x01", "a\x01b", "b", "b#", "b1", "b%", "c"}
	var at []string
	list := func(after string) (keys []string) {
		at = at[:0]
		for object, err := range After(t.Context(), bucket, "", after) {
			position := object.Key
			if err != nil {
				var misplaced *Misplaced
				require.ErrorAs(t, err, &misplaced)
				require.NoError(t, misplaced.Err)
				position = misplaced.At
			}
			keys, at = append(keys, object.Key), append(at, position)
		}
		return keys
	}
	require.Equal(t, store.keys, list(""))
	positions := slices.Clone(at)
	require.True(t, slices.IsSorted(positions))
	require.Len(t, slices.Compact(slices.Clone(positions)), len(store.keys))
	for i, position := range positions {
		require.Equal(t, store.keys[i+1:], append([]string{}, list(position)...), "after %q", position)
	}
}

// sameToken answers each request with a page of new keys, and the token of the request.
type sameToken struct {
	driver.Bucket
	asked int
}

func (s *sameToken) ListPaged(_ context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	if s.asked++; s.asked > 100 {
		return nil, errors.New("asked too often")
	}
	next := o.PageToken
	if len(next) == 0 {
		next = []byte("token")
	}
	page := &driver.ListPage{NextPageToken: next}
	for i := range o.PageSize {
		page.Objects = append(page.Objects, &driver.ListObject{Key: fmt.Sprintf("%06d-%06d", s.asked, i)})
	}
	return page, nil
}

func (*sameToken) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.InvalidArgument }
func (*sameToken) Close() error                       { return nil }

func TestAPageThatRepeatsItsTokenEndsTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(sameToken)
		bucket := blob.NewBucket(store)
		defer bucket.Close()
		var last error
		for object, err := range After(t.Context(), bucket, "", "", Options{}) {
			require.True(t, object == nil || err == nil)
			last = err
		}
		require.ErrorContains(t, last, "repeats the token of a page")
		require.Less(t, store.asked, 20)
	})
}
