package inprocess_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

type line struct{ N int }

// each replaces the items of a source by the time of their calls.
func each[T any](src dmap.Source[T], call time.Duration) dmap.Source[time.Duration] {
	return source.Transform(src, func(context.Context, T) (time.Duration, error) { return call, nil })
}

// slowly returns a bucket with objects that have a number of lines each. A page of its listing
// takes 20 ms.
func slowly(t *testing.T, objects, lines int) *blob.Bucket {
	t.Helper()
	bucket := memory(t)
	for i := range objects {
		require.NoError(t, bucket.WriteAll(t.Context(), fmt.Sprintf("in/%06d.jsonl", i), []byte(strings.Repeat("{\"n\":1}\n", lines)), nil))
	}
	store := dmaptest.NewFaultBucket(t, bucket)
	store.Inject(dmaptest.Fault{Op: dmaptest.OpList, Sticky: true, Kind: dmaptest.Slow, Delay: 20 * time.Millisecond})
	return store.Bucket
}

// In virtual time. A listing is one range until its first lease has divided it. Small objects whose
// lines are items are divided if they are few.
func TestSharedListingsEndNearTheIdealTime(t *testing.T) {
	const limit = 90
	objects := func(b *blob.Bucket, call time.Duration) dmap.Source[time.Duration] {
		return each(source.Objects(b, "in/"), call)
	}
	lines := func(b *blob.Bucket, call time.Duration) dmap.Source[time.Duration] {
		all := source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[line] { return source.JSONLinesOf[line](o) })
		return each(all, call)
	}
	cases := []struct {
		name       string
		of         func(*blob.Bucket, time.Duration) dmap.Source[time.Duration]
		n, perItem int // objects; lines of each
		call       time.Duration
		most       float64
	}{
		{"lines of two objects", lines, 2, 1_000, 10 * time.Second, 1.15},
		{"500 objects, slow calls", objects, 500, 1, 10 * time.Second, 1.2}, // six rounds of calls: at least 1.08
		{"short calls", objects, 20_000, 1, 20 * time.Millisecond, 1.6},     // leases open and end in 200 ms
		{"many short calls", objects, 60_000, 1, 20 * time.Millisecond, 1.3},
		{"longer calls", objects, 20_000, 1, 200 * time.Millisecond, 1.15},
		{"seconds", objects, 4_000, 1, 5 * time.Second, 1.15},
		{"lines of five objects", lines, 5, 400, 10 * time.Second, 1.15},
		{"lines of many objects", lines, 500, 4, 10 * time.Second, 1.15},
	}
	for _, c := range cases[:testsize.Sizes{Short: 2, Race: 1, Usual: len(cases)}.Now()] {
		t.Run(c.name, func(t *testing.T) {
			control := coord.Control{Limit: limit, PerLease: 8, Tolerance: dmap.Tolerance{Percentage: 100}}
			wall, ideal := wallTime(t, control, c.of(slowly(t, c.n, c.perItem), c.call)), time.Duration(c.n*c.perItem)*c.call/limit
			t.Logf("%v, ideal %v: %.2f", wall, ideal, wall.Seconds()/ideal.Seconds())
			require.LessOrEqual(t, wall.Seconds()/ideal.Seconds(), c.most)
		})
	}
}
