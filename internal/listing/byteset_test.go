package listing

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A sorted list of bytes is the reference.
func TestByteSetAnswersAsASortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{0, 1, 2, 5, 64, 255, 256} {
		var set byteSet
		var list []byte
		for _, n := range random.Perm(256)[:size] {
			set.add(byte(n))
			list = append(list, byte(n))
		}
		slices.Sort(list)
		require.Equal(t, size, set.len())
		for b := range 256 {
			below, has := slices.BinarySearch(list, byte(b))
			require.Equal(t, has, set.has(byte(b)), "%d in %v", b, list)
			require.Equal(t, below, set.below(byte(b)), "below %d of %v", b, list)
		}
		for n, b := range list {
			require.Equal(t, b, set.nth(n), "element %d of %v", n, list)
		}
		require.Zero(t, set.nth(size))
		if size == 0 {
			require.Zero(t, set.lowest())
			require.Zero(t, set.highest())
			continue
		}
		require.Equal(t, list[0], set.lowest())
		require.Equal(t, list[size-1], set.highest())
		more := set
		more.unite(&byteSet{1})
		require.True(t, set.subsetOf(&more))
		set.remove(list[0])
		require.False(t, set.has(list[0]))
		require.False(t, more.subsetOf(&set))
	}
}
