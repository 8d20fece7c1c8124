package source_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/source"
)

// hardKeys are keys about which the first pages tell little, or the wrong.
func hardKeys() map[string]func(r *rand.Rand, i int) string {
	of := func(r *rand.Rand, letters string) string {
		all := []rune(letters)
		var key strings.Builder
		for range 8 + r.IntN(8) {
			key.WriteRune(all[r.IntN(len(all))])
		}
		return key.String()
	}
	scripts := []string{"абвгдежзиклмнопрст", "日本語東京大阪漢字", "αβγδεζηθικλ", "abcdefghijkl", "العربية"}
	return map[string]func(r *rand.Rand, i int) string{
		"a script for each": func(r *rand.Rand, _ int) string { return of(r, scripts[r.IntN(len(scripts))]) },
		"mixed scripts":     func(r *rand.Rand, _ int) string { return of(r, strings.Join(scripts, "")+"🗂🎉") },
		"long prefix":       func(r *rand.Rand, _ int) string { return strings.Repeat("p", 900) + fmt.Sprintf("%08x", r.Uint32()) },
		"long directories":  func(_ *rand.Rand, i int) string { return strings.Repeat("prefix/", 128) + fmt.Sprintf("%08d", i) },
		"punctuation": func(r *rand.Rand, _ int) string {
			return of(r, "!\"#$%&'()*+,-:;<=>?@[]^`{|}~abcdefgABCDEFG0123456789")
		},
	}
}

// requestsAPage lists keys by 32 listers. It returns the number of requests for each full page.
func requestsAPage(t *testing.T, keys []string) (requests float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: keys, latency: 200 * time.Millisecond}
		got, took := listed(t, c, "", source.ObjectsOptions{Store: seekable, Listers: 32})
		require.Len(t, got, len(keys))
		pages := (len(keys) + 999) / 1000
		requests = float64(c.requests.Load()) / float64(pages)
		t.Logf("%.1fx one lister, %.2f requests a full page", float64(pages)*c.latency.Seconds()/took.Seconds(), requests)
	})
	return requests
}

// What a listing by many costs beyond one by one is bounded, whatever the keys are.
func TestListersShareHardKeysWithFewRequests(t *testing.T) {
	skipWithRaceDetector(t)
	for name, key := range hardKeys() {
		for n, most := range map[int]float64{20_000: 1.6, 60_000: 1.5, 200_000: 1.5} {
			if strings.HasPrefix(name, "long") && n > 60_000 {
				continue
			}
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				keys := make([]string, n)
				for i := range keys {
					keys[i] = key(random, i)
				}
				slices.Sort(keys)
				keys = slices.Compact(keys)
				requests := requestsAPage(t, keys)
				if requests > most { // the order of the listers is random: the median of three counts
					requests = max(requestsAPage(t, keys), requestsAPage(t, keys))
				}
				require.LessOrEqual(t, requests, most)
			})
		}
	}
}
