package source_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// numbered is a CSV object of n rows with a quoted line end in each.
func numbered(n int) string {
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,\"a line,\nand \"\"another\"\"\"\n", i)
	}
	return b.String()
}

func TestRunsOverADividedObjectSeeEachRowOnce(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": numbered(5000)})
	for _, o := range []dmap.Options{{MaxConcurrency: 8}, {MaxConcurrency: 1}, {MaxItems: 1234}} {
		src := source.Divide(source.CSV(bucket, "rows.csv", source.Strings), 2000)
		var mu sync.Mutex
		seen := map[string]int{}
		stats, err := dmap.Map(t.Context(), src, func(_ context.Context, row []string) (struct{}, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[row[0]]++
			return struct{}{}, nil
		}, o)
		require.NoError(t, err)
		want := 5000
		if o.MaxItems > 0 {
			want = int(o.MaxItems)
			require.Contains(t, seen, "1233")
		}
		require.Equal(t, int64(want), stats.Succeeded)
		require.Len(t, seen, want)
	}
}

// cancelAt runs over src until it comes to the row of that number, and returns the IDs of the rows
// that succeeded.
func cancelAt(t *testing.T, src dmap.Source[[]string], bucket *blob.Bucket, run, row string) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got sink.Memory[string]
	_, err := dmap.Map(ctx, src, func(ctx context.Context, fields []string) (string, error) {
		info, _ := dmap.InfoFrom(ctx)
		if fields[0] == row {
			cancel()
			<-ctx.Done()
		}
		return info.ID(), ctx.Err()
	}, dmap.Options{RunID: run, MaxConcurrency: 4}, sink.Bucket[string](bucket, "runs/", sink.BucketOptions{Express: true}), &got)
	require.ErrorIs(t, err, context.Canceled)
	seen := map[string]bool{}
	for _, r := range got.Results() {
		if r.Err == nil {
			seen[r.ID()] = true
		}
	}
	return seen
}

func TestRemainderOfADividedObjectMayBeDividedElsewhere(t *testing.T) {
	bucket := memory(t, map[string]string{"rows.csv": numbered(1000)})
	open := func(part int64) dmap.Source[[]string] {
		return source.Divide(source.CSV(bucket, "rows.csv", source.Strings), part)
	}
	for _, row := range []string{"0", "333", "999"} {
		for _, part := range []int64{700, 1500, 1 << 20} {
			run := fmt.Sprintf("run-%s-%d", row, part)
			seen := cancelAt(t, open(1500), bucket, run, row)
			manifest := "runs/" + run + "/manifest-000.json"
			rest := source.Concat(source.Pending[[]string](bucket, manifest), source.Unread(open(part), bucket, manifest))
			for _, item := range read(t, rest) {
				require.NoError(t, item.Err)
				require.False(t, seen[item.ID()], "%s twice", item.ID())
				seen[item.ID()] = true
			}
			require.Len(t, seen, 1000)
		}
	}
}
