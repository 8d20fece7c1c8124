package source_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
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
		stats, err := dmap.Map(t.Context(), src, func(_ context.Context, row []string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			seen[row[0]]++
			return "", nil
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
