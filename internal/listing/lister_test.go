package listing

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// seekCloud is a remote store that starts a listing after a key.
type seekCloud struct {
	driver.Bucket // the rest is not called
	keys          []string
	requests      int
}

func (c *seekCloud) Close() error { return nil }

func (c *seekCloud) ListPaged(_ context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	c.requests++
	start := ""
	if err := o.BeforeList(func(as any) bool { *as.(**string) = &start; return true }); err != nil {
		return nil, err
	}
	from, found := slices.BinarySearch(c.keys, start)
	if found {
		from++
	}
	page := &driver.ListPage{}
	to := min(from+o.PageSize, len(c.keys))
	for _, key := range c.keys[from:to] {
		page.Objects = append(page.Objects, &driver.ListObject{Key: key})
	}
	if to < len(c.keys) {
		page.NextPageToken = []byte("more")
	}
	return page, nil
}

// seekAfter is the Seek of seekCloud.
func seekAfter(as func(any) bool, _, key string) bool {
	var start *string
	if !as(&start) {
		return false
	}
	*start = key
	return true
}

// turnReader reads one range in turns of a page.
type turnReader struct {
	Range
	next func() (*blob.ListObject, error, bool)
	stop func()
}

// listInTurns lists all keys by at most n readers, on one goroutine, so that each run makes the
// same splits. It returns the keys that the readers got, sorted.
func listInTurns(t *testing.T, l *Lister, n int) (got []string) {
	t.Helper()
	start := func(g Range) *turnReader {
		r := &turnReader{Range: g}
		r.next, r.stop = iter.Pull2(l.After(t.Context(), g.From, func() string { return r.To }))
		return r
	}
	readers := []*turnReader{start(Range{})}
	for len(readers) > 0 {
		r := readers[0]
		readers = readers[1:]
		ended := false
		for range cloudPage {
			object, err, ok := r.next()
			require.NoError(t, err)
			if ended = !ok; ended {
				r.stop()
				break
			}
			r.From = object.Key
			got = append(got, object.Key)
		}
		if !ended {
			readers = append(readers, r)
		}
		for len(readers) < n {
			ranges := make([]Range, len(readers))
			for i, r := range readers {
				ranges[i] = r.Range
			}
			which, at, ok := l.Split(t.Context(), ranges)
			if !ok {
				break
			}
			readers = append(readers, start(Range{at, readers[which].To}))
			readers[which].To = at
		}
	}
	slices.Sort(got)
	return got
}

// One reader needs 30 requests. The splits are guesses, but the same ones in each run of this test.
func TestSplitsCostNoMoreRequestsThanRecorded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 30_000
	for _, shape := range []struct {
		name     string
		key      func(i int) string
		requests int // recorded
	}{
		{"sequence", func(i int) string { return fmt.Sprintf("%012d", i) }, 47}, // the last page is full: another one makes sure
		{"random", func(int) string { return fmt.Sprintf("%016x", random.Uint64()) }, 32},
		{"days", func(i int) string { return fmt.Sprintf("dt=2025-%02d-%02d/%08d", i%12+1, i/12%28+1, i) }, 42},
		{"skew", func(i int) string {
			if i%10 > 0 {
				return fmt.Sprintf("tenant-%04d/%09d", 2345, i)
			}
			return fmt.Sprintf("tenant-%04d/%09d", i/10, i)
		}, 42},
		{"scripts", func(i int) string {
			return fmt.Sprintf("%s/%08x", []string{"café", "данные", "日本語", "plain"}[i%4], random.Uint32())
		}, 40},
	} {
		store := &seekCloud{}
		for i := range n {
			store.keys = append(store.keys, shape.key(i))
		}
		slices.Sort(store.keys)
		store.keys = slices.Compact(store.keys)
		bucket := blob.NewBucket(store)
		got := listInTurns(t, New(bucket, "", seekAfter), 16)
		require.NoError(t, bucket.Close())
		require.True(t, slices.Equal(store.keys, got), "%s: each key once", shape.name)
		require.LessOrEqual(t, store.requests, shape.requests, shape.name)
	}
}
