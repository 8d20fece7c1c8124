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
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

type line struct{ N int }

// each replaces the items of a source by the time of their calls.
func each[T any](src dmap.Source[T], call time.Duration) dmap.Source[time.Duration] {
	return source.Transform(src, func(context.Context, T) (time.Duration, error) { return call, nil })
}

// Few items with slow calls, in virtual time: all workers get their part of them.
func TestFewItemsWithSlowCallsAreShared(t *testing.T) {
	objects := func(b *blob.Bucket, call time.Duration) dmap.Source[time.Duration] {
		return each(source.Objects(b, "in/"), call)
	}
	lines := func(b *blob.Bucket, call time.Duration) dmap.Source[time.Duration] {
		return each(source.JSONLines[line](b, "in/0000.jsonl"), call)
	}
	flat := func(b *blob.Bucket, call time.Duration) dmap.Source[time.Duration] {
		all := source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[line] { return source.JSONLinesOf[line](o) })
		return each(all, call)
	}
	cases := []struct {
		name          string
		objects, rows int
		call          time.Duration
		of            func(*blob.Bucket, time.Duration) dmap.Source[time.Duration]
	}{
		{"lines of two objects", 2, 1_000, 10 * time.Second, flat},
		{"objects", 500, 1, 40 * time.Second, objects},
		{"lines", 1, 2_000, 10 * time.Second, lines},
		{"lines of five objects", 5, 400, 10 * time.Second, flat},
		{"lines of many objects", 500, 4, 10 * time.Second, flat},
	}
	for _, c := range cases[:testsize.Sizes{Short: 2, Race: 1, Usual: len(cases)}.Now()] {
		t.Run(c.name, func(t *testing.T) {
			bucket := memory(t)
			for i := range c.objects {
				put(t, bucket, fmt.Sprintf("in/%04d.jsonl", i), strings.Repeat("{\"n\":1}\n", c.rows))
			}
			control := coord.Control{Limit: 90, PerLease: 8}
			wall := wallTime(t, control, c.of(bucket, c.call))
			ideal := time.Duration(c.objects*c.rows) * c.call / time.Duration(control.Limit)
			t.Logf("%v, ideal %v: %.2f", wall, ideal, wall.Seconds()/ideal.Seconds())
			require.LessOrEqual(t, wall.Seconds()/ideal.Seconds(), 1.35, "each lease makes six rounds of calls, or seven")
		})
	}
}

func put(t *testing.T, b *blob.Bucket, key, text string) {
	t.Helper()
	require.NoError(t, b.WriteAll(t.Context(), key, []byte(text), nil))
}
