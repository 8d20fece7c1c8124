package source_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// cloud lists keys as a remote store does: up to 1,000 an answer, after a delay, starting after a
// key if asked to.
type cloud struct {
	driver.Bucket // the rest is not called
	keys          []string
	latency       time.Duration
	inclusive     bool                // a listing starts with the key, as those of GCS and Azure do
	ignores       bool                // StartAfter has no effect
	fault         func(n int64) error // of the n-th request, from 1

	requests atomic.Int64
}

type listRequest struct{ startAfter string }

func startAfter(as func(any) bool, _, key string) bool {
	var r *listRequest
	if !as(&r) {
		return false
	}
	r.startAfter = key
	return true
}

func (c *cloud) As(any) bool  { return false }
func (c *cloud) Close() error { return nil }

// errNoContent says that the cloud has keys alone: a source asks for the run.json of its own
// results.
var errNoContent = errors.New("no content")

func (c *cloud) NewRangeReader(context.Context, string, int64, int64, *driver.ReaderOptions) (driver.Reader, error) {
	return nil, errNoContent
}

func (c *cloud) ErrorCode(err error) gcerrors.ErrorCode {
	if errors.Is(err, errNoContent) {
		return gcerrors.NotFound
	}
	if errors.Is(err, errDenied) {
		return gcerrors.PermissionDenied
	}
	return gcerrors.Unknown
}
func (c *cloud) ErrorAs(error, any) bool { return false }

var (
	errDenied = errors.New("denied")
	errSlow   = errors.New("slow down")
)

func (c *cloud) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	request := &listRequest{}
	if err := o.BeforeList(func(i any) bool {
		r, ok := i.(**listRequest)
		if ok {
			*r = request
		}
		return ok
	}); err != nil {
		return nil, err
	}
	n := c.requests.Add(1)
	select {
	case <-time.After(c.latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.fault != nil {
		if err := c.fault(n); err != nil {
			return nil, err
		}
	}
	from, _ := slices.BinarySearch(c.keys, o.Prefix)
	if start := string(o.PageToken); start != "" {
		from, _ = slices.BinarySearch(c.keys, start)
	} else if start := request.startAfter; start > o.Prefix && !c.ignores {
		var found bool
		if from, found = slices.BinarySearch(c.keys, start); found && !c.inclusive {
			from++
		}
	}
	page := &driver.ListPage{}
	for from < len(c.keys) && strings.HasPrefix(c.keys[from], o.Prefix) {
		if len(page.Objects) == min(o.PageSize, 1000) {
			page.NextPageToken = []byte(c.keys[from])
			break
		}
		page.Objects = append(page.Objects, &driver.ListObject{Key: strings.ReplaceAll(c.keys[from], "__0x1__", "\x01"), Size: 1})
		from++
	}
	return page, nil
}

// shapes are key spaces as users have them, of n keys each.
func shapes(n int) map[string][]string {
	all := map[string][]string{}
	for name := range keyShapes(nil, n) {
		all[name] = shape(name, n)
	}
	return all
}

// shape is one of shapes.
func shape(name string, n int) []string {
	key := keyShapes(rand.New(rand.NewPCG(1, 2)), n)[name]
	keys := make([]string, n)
	for i := range keys {
		keys[i] = key(i)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// keyShapes makes key i of n keys, in order.
func keyShapes(random *rand.Rand, n int) map[string]func(i int) string {
	day := func(i int) string { return time.Date(2025, 1, 1+i, 0, 0, 0, 0, time.UTC).Format("2006/01/02") }
	return map[string]func(i int) string{
		"hours": func(i int) string {
			return fmt.Sprintf("logs/%s/%02d/part-%06x.json", day(i%8760/24), i%24, random.IntN(1<<24))
		},
		"days": func(i int) string {
			return fmt.Sprintf("data/dt=%s/%08d.parquet", strings.ReplaceAll(day(i%366), "/", "-"), i)
		},
		"uuid": func(int) string {
			return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", random.Uint32(), random.IntN(1<<16), random.IntN(1<<12), random.IntN(1<<16), random.Int64N(1<<48))
		},
		"sequence": func(i int) string { return fmt.Sprintf("%012d", i) },
		"epoch":    func(i int) string { return fmt.Sprintf("%d-%08x", 1_760_000_000_000+int64(i)*977, random.Uint32()) },
		"skew": func(i int) string {
			if i%10 > 0 {
				return fmt.Sprintf("tenant-%04d/%09d", 2345, i)
			}
			return fmt.Sprintf("tenant-%04d/%09d", i/10%5000, i)
		},
		"crowd": func(i int) string { // its names are of another kind than those in other directories
			if i%10 > 0 {
				return fmt.Sprintf("tenant-%04d/x%08d", 3127, i)
			}
			return fmt.Sprintf("tenant-%04d/%08d", i/10%5000, i/50_000)
		},
		"clock":   clock(random),
		"deep":    func(i int) string { return fmt.Sprintf("a/b/c/d/e/f/%s/%05d", strings.Repeat("x", 30), i) },
		"unicode": func(i int) string { return fmt.Sprintf("straße/%c%c/%05d", rune('α'+i%24), rune('一'+i%500), i) },
		"long":    func(i int) string { return strings.Repeat("abcdefghij-", 20) + fmt.Sprintf("%07d", i) },
		"words": func(i int) string {
			words := strings.Fields("acme apollo borealis cobalt delta ember foxtrot granite harbor iris juniper lumen nova orchid pioneer quartz summit umbra vertex willow yonder zephyr")
			return fmt.Sprintf("%s/orders/%06d", words[random.IntN(len(words))], i)
		},
		"scripts": func(i int) string {
			words := []string{"Übersicht", "café", "данные", "日本語", "العربية", "🗂", "plain", "zeta"}
			return fmt.Sprintf("%s/é-%08x-%d", words[i%len(words)], random.Uint32(), i)
		},
		"slashes": func(i int) string { // other programs store keys with two slashes, which gocloud's drivers would escape
			if i < 600 { // the first one of each directory
				return fmt.Sprintf("in/%03d//%08d", i%600, i)
			}
			return fmt.Sprintf("in/%03d/%08d", i%600, i)
		},
		"names":   func(i int) string { return fmt.Sprintf("%s/%s-%d.txt", word(random), word(random), i) },
		"markers": func(i int) string { return fmt.Sprintf("f%03d/", i%500) + []string{"", fmt.Sprint(i)}[min(i/500, 1)] },
	}
}

// clock is what is written at random times, from the middle of a year on.
func clock(random *rand.Rand) func(int) string {
	at := int64(1_735_689_600_000)
	return func(int) string {
		at += 1 + random.Int64N(9_000)
		return fmt.Sprintf("messages/%d-%08x", at, random.Uint32())
	}
}

func word(random *rand.Rand) string {
	letters := make([]byte, 3+random.IntN(6))
	for i := range letters {
		letters[i] = "etaoinshrdlu"[random.IntN(12)]
	}
	return string(letters)
}

// listed runs a map over all objects and returns their keys, each checked to come once.
func listed(t *testing.T, c *cloud, prefix string, options source.ObjectsOptions) (map[string]bool, time.Duration) {
	t.Helper()
	bucket := blob.NewBucket(c)
	defer bucket.Close()
	var seen keySet
	start := time.Now()
	options.KeepFolders, options.AllowEmpty = true, true
	stats, err := dmap.Map(t.Context(), source.Objects(bucket, prefix, options), seen.add, dmap.Options{MaxConcurrency: 1000})
	require.NoError(t, err)
	require.EqualValues(t, len(seen.keys), stats.Read)
	return seen.keys, time.Since(start)
}

type keySet struct {
	mu   sync.Mutex // guards keys
	keys map[string]bool
}

func (s *keySet) add(_ context.Context, o source.Object) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	if s.keys[o.Key] {
		return "", fmt.Errorf("%q comes twice", o.Key)
	}
	s.keys[o.Key] = true
	return "", nil
}

var seekable = source.StoreFeatures{StartAfter: startAfter}

func TestEveryShapeOfKeysIsListedOnceByManyListers(t *testing.T) {
	n := testsize.Sizes{Short: 4000, Race: 4000, Usual: 12_000, Long: 40_000}
	for name, keys := range shapes(n.Now()) {
		for i, listers := range []int{0, 7, 64, 1, 2}[:testsize.Sizes{Race: 3, Usual: 5}.Now()] {
			synctest.Test(t, func(t *testing.T) {
				c := &cloud{keys: keys, latency: 50 * time.Millisecond, inclusive: i%2 == 1}
				got, _ := listed(t, c, "", source.ObjectsOptions{Store: seekable, Listers: listers})
				require.Len(t, got, len(keys), "%s by %d", name, listers)
				for _, key := range keys {
					if !got[key] {
						t.Fatalf("%s by %d: %q is missing", name, listers, key)
					}
				}
			})
		}
	}
}

// Which reader asks first is chance, so single runs differ: these bounds hold for each, what is
// owed is the median's.
func TestListersShareTheTimeOfASlowStoreAndWasteFewRequests(t *testing.T) {
	skipWithRaceDetector(t)
	if testing.Short() {
		t.Skip("lists three million keys")
	}
	for name, keys := range shapes(200_000) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cloud{keys: keys, latency: 200 * time.Millisecond}
				got, took := listed(t, c, "", source.ObjectsOptions{Store: seekable, Listers: 32})
				require.Len(t, got, len(keys))
				pages := (len(keys) + 999) / 1000
				speed, requests := float64(pages)*c.latency.Seconds()/took.Seconds(), float64(c.requests.Load())/float64(pages)
				t.Logf("%s: %.1fx one lister, %.2f requests a full page", name, speed, requests)
				least := 6.0
				if name == "clock" { // nothing about it is difficult, but that its first directories are parts
					least = 10
				}
				require.GreaterOrEqual(t, speed, least)
				require.LessOrEqual(t, requests, 1.5)
			})
		})
	}
}

func TestAListingOfOnePageTakesOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 999} { // after a full page without a token another request makes sure
			c := &cloud{keys: shape("uuid", n), latency: time.Second}
			got, took := listed(t, c, "", source.ObjectsOptions{Store: seekable})
			require.Len(t, got, n)
			want := 1 + n/1000 // after a full page without a token another request makes sure
			require.EqualValues(t, want, c.requests.Load(), n)
			require.Equal(t, time.Duration(want)*time.Second, took)
		}
	})
}

func TestTheFirstObjectFlowsAfterTheFirstPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: shape("hours", 50_000), latency: time.Second}
		bucket := blob.NewBucket(c)
		defer bucket.Close()
		start := time.Now()
		for r, err := range dmap.Results(t.Context(), source.Objects(bucket, "", source.ObjectsOptions{Store: seekable}),
			func(_ context.Context, o source.Object) (string, error) { return o.Key, nil }, dmap.Options{}) {
			require.NoError(t, err)
			require.True(t, slices.Contains(c.keys[:1000], r.Value), r.Value)
			require.Equal(t, time.Second, time.Since(start))
			break
		}
	})
}

func TestOnlyKeysUnderThePrefixAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: shape("days", 40_000), latency: time.Millisecond}
		got, _ := listed(t, c, "data/dt=2025-0", source.ObjectsOptions{Store: seekable})
		want := 0
		for _, key := range c.keys {
			if strings.HasPrefix(key, "data/dt=2025-0") {
				want++
				require.True(t, got[key], key)
			}
		}
		require.Len(t, got, want)
	})
}

func TestAStoreThatIgnoresWhereToStartIsListedPageAfterPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: shape("uuid", 30_000), latency: time.Millisecond, ignores: true}
		got, _ := listed(t, c, "", source.ObjectsOptions{Store: seekable})
		require.Len(t, got, 30_000)
		require.LessOrEqual(t, c.requests.Load(), int64(30+4), "the probe, and the page before it once more")
	})
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: shape("uuid", 30_000), latency: time.Millisecond}
		got, _ := listed(t, c, "", source.ObjectsOptions{Store: source.StoreFeatures{
			StartAfter: func(func(any) bool, string, string) bool { return false },
		}})
		require.Len(t, got, 30_000)
		require.LessOrEqual(t, c.requests.Load(), int64(30+4))
	})
}

func TestAPageThatFailsIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{keys: shape("epoch", 30_000), latency: time.Millisecond}
		c.fault = func(n int64) error {
			if n%3 == 0 {
				return errSlow
			}
			return nil
		}
		got, _ := listed(t, c, "", source.ObjectsOptions{Store: seekable})
		require.Len(t, got, 30_000)
	})
	for _, store := range []source.StoreFeatures{seekable, {}} {
		synctest.Test(t, func(t *testing.T) {
			c := &cloud{keys: shape("epoch", 30_000), latency: time.Millisecond}
			c.fault = func(n int64) error {
				if n > 5 {
					return errDenied
				}
				return nil
			}
			bucket := blob.NewBucket(c)
			defer bucket.Close()
			var seen keySet
			stats, err := dmap.Map(t.Context(), source.Objects(bucket, "", source.ObjectsOptions{Store: store}), seen.add, dmap.Options{})
			var broken *dmap.SourceError
			require.ErrorAs(t, err, &broken)
			require.ErrorIs(t, err, errDenied)
			require.Less(t, c.requests.Load(), int64(5+40), "what is refused is not asked for again")
			require.EqualValues(t, len(seen.keys), stats.Succeeded)
		})
	}
}

// gocloud's drivers keep some characters in another form, which sorts elsewhere.
func TestAKeyOutOfPlaceIsAnErrorAndNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := shape("sequence", 10_000)
		keys[5000] = keys[5000][:11] + "__0x1__"
		slices.Sort(keys) // as a store has them
		c := &cloud{keys: keys, latency: time.Millisecond}
		bucket := blob.NewBucket(c)
		defer bucket.Close()
		var seen keySet
		_, err := dmap.Map(t.Context(), source.Objects(bucket, "", source.ObjectsOptions{Store: seekable}), seen.add, dmap.Options{MaxConcurrency: 10})
		require.ErrorContains(t, err, "not in byte order")
	})
}

// Whatever keys hold, they come once, or the listing says that it cannot be by many.
func TestStrangeKeysAreListedOnceOrRefused(t *testing.T) {
	parts := []string{"a", "b//", "../", "c/", "\x01", "\x7f", "\xff", "é", "é\xc3", "日", "__0x", "/", " ", "0", "5", "7", "f", "Z", "~"}
	complete := 0
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			some := slices.Clone(parts)
			random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			some = some[:len(some)-int(seed)]
			c := &cloud{latency: time.Millisecond, inclusive: seed%2 == 0}
			for range 9000 {
				var key strings.Builder
				for range 3 + random.IntN(5) {
					key.WriteString(some[random.IntN(len(some))])
				}
				c.keys = append(c.keys, key.String())
			}
			slices.Sort(c.keys)
			c.keys = slices.Compact(c.keys)
			bucket := blob.NewBucket(c)
			defer bucket.Close()
			var seen keySet
			stats, err := dmap.Map(t.Context(), source.Objects(bucket, "", source.ObjectsOptions{Store: seekable, KeepFolders: true}),
				seen.add, dmap.Options{MaxConcurrency: 10})
			require.Zero(t, stats.Failed, "seed %d", seed)
			if err != nil {
				require.ErrorContains(t, err, "with Listers: 1", "seed %d", seed)
				return
			}
			complete++
			require.Len(t, seen.keys, len(c.keys), "seed %d", seed)
		})
	}
	require.Positive(t, complete)
}

func TestWrongListersAreRefused(t *testing.T) {
	bucket := blob.NewBucket(&cloud{})
	defer bucket.Close()
	for _, n := range []int{-1, 257} {
		_, err := dmap.Map(t.Context(), source.Objects(bucket, "", source.ObjectsOptions{Listers: n}), new(keySet).add, dmap.Options{})
		require.ErrorContains(t, err, fmt.Sprintf("Listers %d", n))
	}
}
