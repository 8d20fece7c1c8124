package listing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

// walkedOver is a path over sorted keys, and what it has learned.
func walkedOver(prefix string, keys []string) (*path, *alphabet) {
	a, w := &alphabet{prefix: len(prefix)}, &path{}
	for _, key := range keys {
		w.step(a, key)
	}
	return w, a
}

func TestACutLiesWithinItsRangeAndIsText(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const bytes = "0123456789abcdefXYZ-_/.é\x7f日🗂 "
	key := func() string {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			at := random.IntN(len(bytes))
			b.WriteString(bytes[at : at+1+random.IntN(min(3, len(bytes)-at))])
		}
		return "p/" + strings.ToValidUTF8(b.String(), "?")
	}
	cuts := 0
	for range 5000 {
		var keys []string
		for range 2 + random.IntN(6) {
			keys = append(keys, key())
		}
		slices.Sort(keys)
		w, a := walkedOver("p/", slices.Compact(keys))
		lo, hi := w.at, ""
		if beyond := key(); beyond > lo && random.IntN(2) == 0 {
			hi = beyond
		}
		if later := key(); later > lo && (hi == "" || later < hi) && random.IntN(3) == 0 {
			lo = later
		}
		check := func(cut string, ok bool) {
			if !ok {
				return
			}
			cuts++
			require.Greater(t, cut, lo)
			require.True(t, hi == "" || cut < hi, "%q of (%q, %q]", cut, lo, hi)
			require.True(t, utf8.ValidString(cut), "%q", cut)
			require.True(t, strings.HasPrefix(cut, "p/"), "%q", cut)
		}
		list, sum := w.rest(a, lo, hi)
		require.GreaterOrEqual(t, sum, 0.0)
		check(w.cutAt(a, list, sum*random.Float64(), lo, hi))
		for p := w.first(a, hi); p < len(w.at); p++ {
			for _, b := range w.unknown(a, p, hi, random.Float64()*10_000) {
				check(usable(w.at[:p]+string([]byte{b}), lo, hi))
			}
		}
	}
	require.Greater(t, cuts, 5000)
}

func TestTheRestOfHexadecimalKeysIsEstimatedAndHalved(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var keys []string
	for range 20_000 {
		keys = append(keys, fmt.Sprintf("%016x", random.Uint64()))
	}
	slices.Sort(keys)
	from, _ := slices.BinarySearch(keys, "3")
	w, a := walkedOver("", keys[:from])
	new(path).step(a, keys[len(keys)-1]) // another reader has been at the end
	list, sum := w.rest(a, w.at, "")
	require.InEpsilon(t, len(keys)-from, sum, 0.1)
	cut, ok := w.cutAt(a, list, sum/2, w.at, "")
	require.True(t, ok)
	at, _ := slices.BinarySearch(keys, cut)
	require.InDelta(t, (from+len(keys))/2, at, 800, cut)
}

// Nine of ten keys lie in one directory: the rest of it counts, not that of the directories behind it.
func TestARangeInACrowdedDirectoryIsCutInThatDirectory(t *testing.T) {
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
	w, a := walkedOver("", keys)
	a.at(spot{1, 0}).seen.add('9') // someone has seen that this goes on
	list, sum := w.rest(a, w.at, "")
	require.Greater(t, sum, 4000.0)
	cut, ok := w.cutAt(a, list, sum/2, w.at, "")
	require.True(t, ok)
	require.True(t, strings.HasPrefix(cut, "37/"), cut)
}

// One directory holds more than all others: its neighbours are like those.
func TestWhatLiesBehindACrowdedDirectoryIsAsSmallAsOthers(t *testing.T) {
	var keys []string
	for d := range 50 {
		for i := range 4 {
			keys = append(keys, fmt.Sprintf("%02d/%05d", d, i))
		}
	}
	w, a := walkedOver("", keys)
	crowd := &path{start: "50/"}
	for i := range 9000 {
		crowd.step(a, fmt.Sprintf("50/%05d", i))
	}
	new(path).step(a, "99/00003") // another reader has been at the end
	_, before := w.rest(a, w.at, "")
	_, behind := crowd.rest(a, "50/~", "")
	require.Less(t, before, 500.0)
	require.Less(t, behind, 500.0)
}

// No month has a day behind the 31st, although digits go on to nine behind others.
func TestWhatNeverFollowedAByteIsNotExpectedBehindIt(t *testing.T) {
	var keys []string
	for month := range 3 {
		for day := range 30 {
			for i := range 100 {
				keys = append(keys, fmt.Sprintf("%02d/%02d/%03d", month+1, day+1, i))
			}
		}
	}
	w, a := walkedOver("", keys)
	_, sum := w.rest(a, w.at, "03/4")
	require.Less(t, sum, 100.0)
}

func TestADirectoryWithALongerNameThanIsNotedIsCut(t *testing.T) {
	name := strings.Repeat("n", 2*maxPosition)
	var keys []string
	for i := range 10_000 {
		keys = append(keys, fmt.Sprintf("%s/%04d", name, i))
	}
	l := New(nil, "", nil)
	l.track(keys)
	w := l.track(keys[:2000])
	list, _ := w.rest(&l.alphabet, w.at, "")
	cut, ok := l.nextDirectory(uncut{path: w, list: list, lo: w.at})
	require.True(t, ok)
	require.Equal(t, name+"0", cut)
}

// track is a path over keys in what l knows.
func (l *Lister) track(keys []string) *path {
	w := &path{}
	for _, key := range keys {
		w.step(&l.alphabet, key)
	}
	return w
}

// Readers begin in the middle of what others have from the start: what they saw of it tells how full it is.
func TestAReaderThatBeganInTheMiddleExpectsAsMuchBehindIt(t *testing.T) {
	a := &alphabet{}
	first, second := &path{}, &path{start: "5000"}
	for i := 7000; i < 10_000; i++ {
		first.step(a, fmt.Sprintf("%05d", i))
	}
	for i := 50_000; i < 57_000; i++ {
		second.step(a, fmt.Sprintf("%05d", i))
	}
	_, sum := second.rest(a, second.at, "6")
	require.InEpsilon(t, 3000, sum, 0.1)
}

func TestWordsAreNotTakenForAllLetters(t *testing.T) {
	var keys []string
	for _, name := range []string{"acme", "apollo", "borealis", "cobalt"} {
		for i := range 1000 {
			keys = append(keys, fmt.Sprintf("%s/%04d", name, i))
		}
	}
	w, a := walkedOver("", keys)
	_, sum := w.rest(a, w.at, "d")
	require.Less(t, sum, 2000.0, "no name that begins with c but this")
}

func TestBytesThatAreNotUTF8OnTheirOwnAreMadeWhole(t *testing.T) {
	for cut, want := range map[string]string{"a": "a", "a\xc3": "a\xc3\x80", "\xe3": "\xe3\x80\x80", "\xe0": "\xe0\xa0\x80", "\xf0": "\xf0\x90\x80\x80"} {
		got, ok := usable(cut, "", "")
		require.True(t, ok, "%q", cut)
		require.Equal(t, want, got)
	}
	for _, cut := range []string{"a\xff", "\x80", "a//b", "a\x01", "a__0x"} {
		_, ok := usable(cut, "", "")
		require.False(t, ok, "%q", cut)
	}
}

func TestAPageIsCutToItsRangeAndHeldAgainstItsOrder(t *testing.T) {
	objects := listObjects("b", "c", "d")
	own, over, err := within(objects, "a", "c")
	require.NoError(t, err)
	require.True(t, over)
	require.Len(t, own, 2)
	own, over, err = within(objects, "b", "")
	require.NoError(t, err)
	require.False(t, over)
	require.Len(t, own, 2, "the key itself may come")
	_, _, err = within(listObjects("b", "a"), "", "")
	require.ErrorContains(t, err, `"a" comes behind "b"`)
	_, _, err = within(listObjects("b", "z\x01"), "a", "c")
	require.ErrorContains(t, err, "not the order", "it may belong to the range by its bytes")
}

func listObjects(keys ...string) []*blob.ListObject {
	var out []*blob.ListObject
	for _, key := range keys {
		out = append(out, &blob.ListObject{Key: key})
	}
	return out
}
