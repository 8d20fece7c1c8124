package inprocess_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
	"github.com/go-dmap/dmap/source"
)

// The source divides an object of 40 MiB into three parts, for the readers of one machine. Each
// takes many leases.
func TestALargeObjectIsSharedEvenly(t *testing.T) {
	const (
		n    = 4096
		call = 2 * time.Second
	)
	var object strings.Builder
	for i := range n {
		fmt.Fprintf(&object, "{\"n\":%d,\"x\":%q}\n", i, strings.Repeat("x", 40<<20/n-20))
	}
	bucket := memory(t)
	require.NoError(t, bucket.WriteAll(t.Context(), "rows.jsonl", []byte(object.String()), nil))
	rows := source.JSONLines[struct{ N int }](bucket, "rows.jsonl").(dmap.Planner[struct{ N int }])
	parts := 0
	for _, err := range rows.Plan().Splits(t.Context()) {
		require.NoError(t, err)
		parts++
	}
	require.Equal(t, 3, parts)
	control := coord.Control{Limit: 64, PerLease: 8}
	wall := wallTime(t, control, source.Transform(rows, func(context.Context, struct{ N int }) (time.Duration, error) { return call, nil }))
	ideal := n * call / time.Duration(control.Limit)
	t.Logf("%v, ideal %v: %.2f", wall, ideal, wall.Seconds()/ideal.Seconds())
	require.LessOrEqual(t, wall, ideal*11/10)
}
