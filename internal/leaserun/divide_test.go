package leaserun

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// keyRange is a listing of the keys 000000 to n-1.
type keyRange struct {
	n       int
	sharing dmap.Sharing
	fails   int // at this key; 0: never
	read    atomic.Int64
}

func (k *keyRange) plan() dmap.Plan[int] {
	return dmap.Plan[int]{Read: k.items, Sharing: func(dmap.Split) dmap.Sharing { return k.sharing }}
}

func (k *keyRange) items(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := range k.n {
			key := fmt.Sprintf("%06d", i)
			if key <= s.From.Key || s.To.Key != "" && key > s.To.Key {
				continue
			}
			k.read.Add(1)
			var item dmap.Item[int]
			var err error
			switch item = (dmap.Item[int]{Key: key, Offset: dmap.WholeObject, Next: dmap.Cursor{Key: key}}); {
			case k.fails < 0:
				panic("a predicate panics")
			case k.fails > 0 && i == k.fails:
				err = errors.New("the store is gone")
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// keysOf are the numbers of keys of splits, which must follow each other.
func keysOf(t *testing.T, k *keyRange, whole dmap.Split, parts []dmap.Split) (sizes []int) {
	t.Helper()
	require.Equal(t, whole.From, parts[0].From)
	require.Equal(t, whole.To, parts[len(parts)-1].To)
	for i, p := range parts {
		require.Equal(t, whole.ID, p.ID)
		if i > 0 {
			require.Equal(t, parts[i-1].To, p.From)
		}
		n := 0
		for range k.items(t.Context(), p) {
			n++
		}
		sizes = append(sizes, n)
	}
	return sizes
}

func dividerOf(t *testing.T, k *keyRange, most int) *divider[int] {
	d := newDivider(t.Context(), k.plan(), most, func() int64 { return 0 })
	t.Cleanup(d.stop)
	return d
}

func TestRangesThatOthersWaitForAreCutEvenly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		k := &keyRange{n: random.IntN(2_000), sharing: dmap.SharedByTrySplit}
		from := random.IntN(k.n + 1)
		to := from + random.IntN(k.n-from+1)
		s := dmap.Split{ID: "p/", From: dmap.Cursor{Key: fmt.Sprintf("%06d", from)}}
		if random.IntN(2) == 0 {
			s.To.Key = fmt.Sprintf("%06d", to)
		}
		d := dividerOf(t, k, 2+random.IntN(31))
		parts := d.wait([]dmap.Split{s})
		all := keysOf(t, k, s, []dmap.Split{s})[0]
		sizes := keysOf(t, k, s, parts)
		require.Len(t, parts, max(1, min(all, d.most)), "of %d keys", all)
		for _, n := range sizes {
			mean := float64(all) / float64(len(parts))
			require.InDelta(t, mean, float64(n), mean/2+2, "%v", sizes)
		}
	}
}

func TestWhatCannotBeCutStaysWhole(t *testing.T) {
	rest := []dmap.Split{{ID: "p/"}, {ID: "p/q/"}}
	for name, k := range map[string]*keyRange{
		"read":      {n: 100, sharing: dmap.SharedByReading},
		"planned":   {n: 100, sharing: dmap.SharedAsPlanned},
		"broken":    {n: 100, sharing: dmap.NotShared},
		"no key":    {sharing: dmap.SharedByTrySplit},
		"it panics": {n: 100, sharing: dmap.SharedByTrySplit, fails: -1},
	} {
		t.Run(name, func(t *testing.T) {
			d := dividerOf(t, k, 32)
			require.Equal(t, rest, d.wait(rest))
		})
	}
	k := &keyRange{n: 100, sharing: dmap.SharedByTrySplit}
	d := dividerOf(t, k, 3)
	require.Equal(t, rest, d.wait(rest), "there are enough splits")
	require.Zero(t, k.read.Load())
}

// What follows a key that cannot be listed is a part of its own: its reader meets the error.
func TestARangeIsCutBeforeAnError(t *testing.T) {
	k := &keyRange{n: 100, sharing: dmap.SharedByTrySplit, fails: 50}
	d := dividerOf(t, k, 5)
	parts := d.wait([]dmap.Split{{ID: "p/"}})
	require.Len(t, parts, 5)
	require.Equal(t, dmap.Cursor{Key: "000039"}, parts[4].From)
	require.Equal(t, dmap.Cursor{}, parts[4].To)
}

func TestALongRangeIsNotListedToItsEnd(t *testing.T) {
	k := &keyRange{n: 100_000, sharing: dmap.SharedByTrySplit}
	d := dividerOf(t, k, 32)
	parts := d.wait([]dmap.Split{{ID: "p/"}})
	require.Len(t, parts, 32)
	require.LessOrEqual(t, k.read.Load(), int64(mostListed+2))
	require.LessOrEqual(t, parts[31].From.Key, fmt.Sprintf("%06d", mostListed))

	two := []dmap.Split{{ID: "p/", To: dmap.Cursor{Key: "000999"}}, {ID: "p/", From: dmap.Cursor{Key: "000999"}}}
	parts = dividerOf(t, k, 32).wait(two)
	require.Len(t, parts, 17, "TrySplit divides the long one when it is read")
	require.Equal(t, two[1], parts[16])
}

// A part has some work, so that leases do not cost more than calls.
func TestARangeOfShortCallsIsCutLess(t *testing.T) {
	k := &keyRange{n: 1_000, sharing: dmap.SharedByTrySplit}
	for least, parts := range map[int64]int{0: 32, 1: 32, 100: 10, 300: 3, 501: 1, 2_000: 1} {
		d := dividerOf(t, k, 32)
		d.least = func() int64 { return least }
		require.Len(t, d.wait([]dmap.Split{{ID: "p/"}}), parts, "at least %d keys", least)
	}
}

// The message before the report and the report leave the same splits.
func TestARangeIsCutOnce(t *testing.T) {
	k := &keyRange{n: 100, sharing: dmap.SharedByTrySplit}
	d := dividerOf(t, k, 4)
	rest := []dmap.Split{{ID: "p/"}}
	_, ok := d.try(rest)
	for !ok {
		<-d.done
		_, ok = d.try(rest)
	}
	parts, _ := d.try(rest)
	require.Len(t, parts, 4)
	require.Equal(t, parts, d.wait(rest))
	other := []dmap.Split{{ID: "p/", From: dmap.Cursor{Key: "000050"}}}
	require.Equal(t, other, d.wait(other), "it was not listed for this")
	require.LessOrEqual(t, k.read.Load(), int64(101))
}
