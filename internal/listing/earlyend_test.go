package listing

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// oddCloud is a seekCloud that changes its answers.
type oddCloud struct {
	*seekCloud
	change func(n int, page *driver.ListPage) // n: of the request, from 1
}

func (c *oddCloud) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	page, err := c.seekCloud.ListPaged(ctx, o)
	if err == nil {
		c.change(c.requests, page)
	}
	return page, err
}

// listOdd lists 2,500 keys of a store that changes its answers.
func listOdd(t *testing.T, change func(n int, page *driver.ListPage)) (n int, err error) {
	t.Helper()
	store := &oddCloud{&seekCloud{}, change}
	for i := range 2500 {
		store.keys = append(store.keys, fmt.Sprintf("%06d", i))
	}
	bucket := blob.NewBucket(store)
	defer bucket.Close()
	for object, err := range New(bucket, "", seekAfter).After(t.Context(), "", func() string { return "" }) {
		if err != nil {
			return n, err
		}
		require.Equal(t, fmt.Sprintf("%06d", n), object.Key)
		n++
	}
	return n, nil
}

func TestARangeEndsWhereTheStoreSaysSoTwice(t *testing.T) {
	for name, test := range map[string]struct {
		first, last int // requests without an answer
		fails       bool
	}{"never": {0, 0, false}, "once": {2, 2, false}, "from the second on": {2, 1000, true}, "from the third on": {3, 1000, true}} {
		n, err := listOdd(t, func(n int, page *driver.ListPage) {
			if test.first <= n && n <= test.last {
				*page = driver.ListPage{}
			}
		})
		if test.fails {
			require.ErrorIs(t, err, errEndsEarly, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, 2500, n, name)
	}
}
