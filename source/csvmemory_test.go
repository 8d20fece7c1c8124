package source_test

import (
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// wideRows is a CSV of about n bytes, in rows of 64 KiB.
func wideRows(n int) string {
	cell := strings.Repeat("x", 64<<10-16)
	var text strings.Builder
	text.WriteString("id,cell\n")
	for i := 0; text.Len() < n; i++ {
		fmt.Fprintf(&text, "%08d,%s\n", i, cell)
	}
	return text.String()
}

// CSVOptions.Memory bounds the bytes that a reader has fetched ahead: an eighth of it, as garbage
// and rows need some, too. The bytes are counted, since the memory of a process tells little.
func TestAReaderFetchesAheadWhatItsMemoryAllows(t *testing.T) {
	data := wideRows(12 << 20)
	for _, most := range []int64{source.MinMemory, 64 << 20} {
		synctest.Test(t, func(t *testing.T) {
			bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"rows.csv": data}))
			src := source.CSV(bucket.Bucket, "rows.csv", source.Strings, source.CSVOptions{Memory: most})
			splits := splitsOf(t, src)
			require.Len(t, splits, 1)
			var fetched atomic.Int64
			bucket.Watch(func(c dmaptest.Call, ended bool) {
				if ended && c.Op == dmaptest.OpRead {
					fetched.Add(c.Bytes)
				}
			})
			next, stop := iter.Pull2(plan(src).Read(t.Context(), splits[0]))
			defer stop()
			rows, furthest := 0, int64(0)
			for item, err, ok := next(); ok; item, err, ok = next() {
				require.NoError(t, err)
				require.NoError(t, item.Err)
				if rows++; rows%20 == 1 {
					synctest.Wait() // until nothing more is fetched
					ahead := fetched.Load() - item.Next.Offset
					require.LessOrEqual(t, ahead, most/8+1<<20, "row %d", rows)
					furthest = max(furthest, ahead)
				}
			}
			require.Equal(t, strings.Count(data, "\n")-1, rows)
			require.Greater(t, furthest, most/32, "it does read ahead")
		})
	}
}

// Where an object is read in splits, those that no reader has taken fit into the same memory.
func TestSplitsThatWaitForAReaderFitIntoTheMemory(t *testing.T) {
	const most = 128 << 20
	src := source.CSV(memory(t, map[string]string{"rows.csv": wideRows(33 << 20)}), "rows.csv", source.Strings, source.CSVOptions{Memory: most})
	splits, held := 0, int64(0)
	for _, err := range plan(src).Splits(t.Context()) {
		require.NoError(t, err)
		splits++
		held = max(held, source.Prefetched(src))
	}
	require.Greater(t, splits, 10)
	require.LessOrEqual(t, held, int64(most/8))
	require.Greater(t, held, int64(most/16))
}
