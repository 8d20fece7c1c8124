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

func learned(prefix string, keys ...string) *guess {
	g := &guess{prefix: len(prefix)}
	for _, key := range keys {
		g.learn(key)
	}
	return g
}

func TestACutLiesWithinItsRange(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const bytes = "0123456789abcdefXYZ-_/.é\x7f\xff日 "
	key := func() string {
		var b strings.Builder
		for range random.IntN(12) {
			at := random.IntN(len(bytes))
			b.WriteString(bytes[at : at+1+random.IntN(min(3, len(bytes)-at))])
		}
		return "p/" + b.String()
	}
	cuts := 0
	for range 20_000 {
		g := learned("p/", key(), key(), key(), key())
		lo, hi := key(), key()
		switch {
		case random.IntN(3) == 0:
			hi = ""
		case lo > hi:
			lo, hi = hi, lo
		}
		g.empty(key(), key())
		for name, try := range map[string]func(string, string) (string, bool){
			"middle": g.middle, "anywhere": g.anywhere,
			"beyond": func(lo, hi string) (string, bool) { return g.beyond(lo, hi, random.IntN(14)) },
		} {
			cut, ok := try(lo, hi)
			if !ok {
				continue
			}
			cuts++
			require.Greater(t, cut, lo, name)
			require.True(t, hi == "" || cut < hi, "%s of (%q, %q] is %q", name, lo, hi, cut)
			require.True(t, utf8.ValidString(cut), "%q", cut)
			require.True(t, strings.HasPrefix(cut, "p/"), "%q", cut)
		}
		require.GreaterOrEqual(t, g.done(lo, max(lo, key()), hi), 0.0)
		require.LessOrEqual(t, g.done(lo, max(lo, key()), hi), 1.0)
	}
	require.Greater(t, cuts, 1000)
}

func TestTheMiddleOfHexadecimalKeysHalvesThem(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var keys []string
	for range 10_000 {
		keys = append(keys, fmt.Sprintf("%016x", random.Uint64()))
	}
	slices.Sort(keys)
	g := learned("", keys[:1000]...)
	g.learn("20") // another reader has been there
	cut, ok := g.middle(keys[999], "")
	require.True(t, ok)
	at, _ := slices.BinarySearch(keys, cut)
	require.InDelta(t, 5500, at, 800, cut)
	require.InDelta(t, float64(at-1000)/9000, g.done(keys[999], cut, ""), 0.1)
}

func TestWhereNothingWasFoundNothingIsLookedForAgain(t *testing.T) {
	g := learned("", "0000", "0001", "0009")
	cut, ok := g.beyond("0009", "", 3)
	require.True(t, ok)
	require.Equal(t, "1", cut)
	g.empty("1", "")
	cut, ok = g.beyond("0009", "", 3)
	require.True(t, ok)
	require.Equal(t, "01", cut)
	g.empty("01", "1")
	g.empty("001", "01")
	_, ok = g.beyond("0009", "", 3)
	require.False(t, ok)
}

func TestAWordIsPassedAsAWhole(t *testing.T) {
	g := learned("", "data/dt=2025-01-01/a", "data/dt=2025-01-02/b")
	cut, ok := g.beyond("data/dt=2025-01-02/b", "", 17)
	require.True(t, ok)
	require.Equal(t, "datb", cut)
	g.empty("datb", "")
	cut, ok = g.beyond("data/dt=2025-01-02/b", "datb", 17)
	require.True(t, ok)
	require.Equal(t, "data/du", cut)
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
