package source_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/source"
)

// A run on many machines keeps the splits of a source in its plan, its leases and their records.
func TestALongSliceHasNoMoreThan256Splits(t *testing.T) {
	for n, want := range map[int]int{10_000: 1, 10_001: 2, 2_560_000: 256, 2_560_001: 129, 50_000_000: 250} {
		src := source.Slice(make([]struct{}, n))
		splits := splitsOf(t, src)
		require.Len(t, splits, want, n)
		at := int64(0)
		for i, s := range splits {
			require.Equal(t, at, s.From.Offset)
			if at = s.To.Offset; i == len(splits)-1 {
				require.Zero(t, at)
				require.Less(t, s.From.Offset, int64(n))
			}
		}
		p := plan(src)
		for item, err := range p.Read(t.Context(), splits[len(splits)-1]) {
			require.NoError(t, err)
			require.Equal(t, splits[len(splits)-1].From.Offset, item.Offset)
			break
		}
	}
}
