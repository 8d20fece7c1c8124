package listing

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/testsize"
)

func TestSplitKeyIsTextInsideItsRange(t *testing.T) {
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
	splits := 0
	for range (testsize.Sizes{Short: 1000, Usual: 5000, Long: 50_000}).Now() {
		var keys []string
		for range 2 + random.IntN(6) {
			keys = append(keys, key())
		}
		slices.Sort(keys)
		w, a := pathOver("p/", slices.Compact(keys))
		lo, hi := w.at, ""
		if beyond := key(); beyond > lo && random.IntN(2) == 0 {
			hi = beyond
		}
		if later := key(); later > lo && (hi == "" || later < hi) && random.IntN(3) == 0 {
			lo = later
		}
		check := func(split string, ok bool) {
			if !ok {
				return
			}
			splits++
			require.Greater(t, split, lo)
			require.True(t, hi == "" || split < hi, "%q of (%q, %q]", split, lo, hi)
			require.True(t, utf8.ValidString(split), "%q", split)
			require.True(t, strings.HasPrefix(split, "p/"), "%q", split)
		}
		list, sum := w.remaining(a, lo, hi)
		require.GreaterOrEqual(t, sum, 0.0)
		check(w.splitAfter(a, list, sum*random.Float64(), lo, hi))
		for p := w.firstChange(a, hi); p < len(w.at); p++ {
			for _, b := range w.unexplored(a, p, hi, random.Float64()*10_000) {
				check(splitKey(w.with(p, b), lo, hi))
			}
		}
	}
	require.Greater(t, splits, 5000)
}

func TestSplitKeyCompletesUTF8(t *testing.T) {
	for split, want := range map[string]string{"a": "a", "a\xc3": "a\xc3\x80", "\xe3": "\xe3\x80\x80", "\xe0": "\xe0\xa0\x80", "\xf0": "\xf0\x90\x80\x80"} {
		got, ok := splitKey(split, "", "")
		require.True(t, ok, "%q", split)
		require.Equal(t, want, got)
	}
	for _, split := range []string{"a\xff", "\x80", "a//b", "a\x01", "a__0x"} {
		_, ok := splitKey(split, "", "")
		require.False(t, ok, "%q", split)
	}
}
