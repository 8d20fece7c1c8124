package listing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pathOver returns a path over sorted keys, and the alphabet that it has learned.
func pathOver(prefix string, keys []string) (*path, *alphabet) {
	a, w := &alphabet{prefixLen: len(prefix)}, &path{}
	for _, key := range keys {
		w.advance(a, key)
	}
	return w, a
}

func TestRemainingHexadecimalKeysAreEstimatedAndHalved(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var keys []string
	for range 20_000 {
		keys = append(keys, fmt.Sprintf("%016x", random.Uint64()))
	}
	slices.Sort(keys)
	from, _ := slices.BinarySearch(keys, "3")
	w, a := pathOver("", keys[:from])
	new(path).advance(a, keys[len(keys)-1]) // another reader has been at the end
	list, sum := w.remaining(a, w.at, "")
	require.InEpsilon(t, len(keys)-from, sum, 0.1)
	split, ok := w.splitAfter(a, list, sum/2, w.at, "")
	require.True(t, ok)
	at, _ := slices.BinarySearch(keys, split)
	require.InDelta(t, (from+len(keys))/2, at, 800, split)
}

// Nine of ten keys lie in one directory: the split halves its remaining keys, not the directories
// after it.
func TestRangeInACrowdedDirectoryIsSplitInsideIt(t *testing.T) {
	var keys []string
	for d := range 37 {
		for i := range 4 {
			keys = append(keys, fmt.Sprintf("%02d/%05d", d, i*20_000))
		}
	}
	for i := range 4000 {
		keys = append(keys, fmt.Sprintf("37/%05d", i*10))
	}
	slices.Sort(keys)
	w, a := pathOver("", keys)
	a.lookup(position{1, 0}).seen.add('9') // another reader has seen that there are more keys
	list, sum := w.remaining(a, w.at, "")
	require.Greater(t, sum, 4000.0)
	split, ok := w.splitAfter(a, list, sum/2, w.at, "")
	require.True(t, ok)
	require.True(t, strings.HasPrefix(split, "37/"), split)
}

// One directory holds more than all others: its neighbours are as small as those.
func TestDirectoriesAfterACrowdedOneAreExpectedToBeSmall(t *testing.T) {
	var keys []string
	for d := range 50 {
		for i := range 4 {
			keys = append(keys, fmt.Sprintf("%02d/%05d", d, i))
		}
	}
	w, a := pathOver("", keys)
	crowd := &path{start: "50/"}
	for i := range 9000 {
		crowd.advance(a, fmt.Sprintf("50/%05d", i))
	}
	new(path).advance(a, "99/00003") // another reader has been at the end
	_, before := w.remaining(a, w.at, "")
	_, after := crowd.remaining(a, "50/~", "")
	require.Less(t, before, 500.0)
	require.Less(t, after, 500.0)
}

// No month has a day after the 31st, although other digits are followed by digits up to nine.
func TestByteThatNeverFollowedAnotherIsNotExpectedAfterIt(t *testing.T) {
	var keys []string
	for month := range 3 {
		for day := range 30 {
			for i := range 100 {
				keys = append(keys, fmt.Sprintf("%02d/%02d/%03d", month+1, day+1, i))
			}
		}
	}
	w, a := pathOver("", keys)
	_, sum := w.remaining(a, w.at, "03/4")
	require.Less(t, sum, 100.0)
}

// A reader that started in the middle of a prefix learns its density from the part that it has
// seen.
func TestReaderThatStartedInTheMiddleExpectsTheSameDensity(t *testing.T) {
	a := &alphabet{}
	first, second := &path{}, &path{start: "5000"}
	for i := 7000; i < 10_000; i++ {
		first.advance(a, fmt.Sprintf("%05d", i))
	}
	for i := 50_000; i < 57_000; i++ {
		second.advance(a, fmt.Sprintf("%05d", i))
	}
	_, sum := second.remaining(a, second.at, "6")
	require.InEpsilon(t, 3000, sum, 0.1)
}

func TestWordsDoNotMakeAllLettersLikely(t *testing.T) {
	var keys []string
	for _, name := range []string{"acme", "apollo", "borealis", "cobalt"} {
		for i := range 1000 {
			keys = append(keys, fmt.Sprintf("%s/%04d", name, i))
		}
	}
	w, a := pathOver("", keys)
	_, sum := w.remaining(a, w.at, "d")
	require.Less(t, sum, 2000.0, "no name that begins with c but this")
}
