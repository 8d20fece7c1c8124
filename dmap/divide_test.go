package dmap_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// sheet is a source of n ints in one split that can be cut anywhere. It yields pages, each after a
// delay, as a listing does.
type sheet struct {
	pieces
	readers, page int
	delay         time.Duration
	cut           func(reading []dmap.Split) (int, dmap.Cursor, bool) // nil: the longest rest in halves

	mu    sync.Mutex
	pages int
	cuts  int // by one goroutine at a time
	busy  atomic.Bool
}

func (s *sheet) Plan() dmap.Plan[int] {
	p := planOf(s)
	p.TrySplit, p.Readers = s.trySplit, s.readers
	return p
}

func (s *sheet) trySplit(_ context.Context, reading []dmap.Split) (int, dmap.Cursor, bool) {
	if !s.busy.CompareAndSwap(false, true) {
		panic("asked twice at once")
	}
	defer s.busy.Store(false)
	if s.cut != nil {
		runtime.Gosched()
		return s.cut(reading)
	}
	longest, best := int64(0), 0
	for i, r := range reading {
		if rest := s.end(r) - r.From.Offset; rest > longest {
			longest, best = rest, i
		}
	}
	if longest < int64(4*s.page) {
		return 0, dmap.Cursor{}, false
	}
	s.cuts++
	return best, dmap.Cursor{Offset: reading[best].From.Offset + longest/2}, true
}

func (s *sheet) end(r dmap.Split) int64 {
	if r.To == (dmap.Cursor{}) {
		return int64(s.n)
	}
	return r.To.Offset
}

func (s *sheet) Splits(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) { yield(dmap.Split{ID: "sheet"}, nil) }
}

func (s *sheet) Read(ctx context.Context, r dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		for i := r.From.Offset; i < int64(s.n); i++ { // it does not look at To: a cut may come later
			if (i-r.From.Offset)%int64(s.page) == 0 {
				s.mu.Lock()
				s.pages++
				s.mu.Unlock()
				select {
				case <-time.After(s.delay):
				case <-ctx.Done():
					yield(dmap.Item[int]{}, context.Cause(ctx))
					return
				}
			}
			if !yield(dmap.Item[int]{Key: "n", Offset: i, Value: int(i), Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

func TestIdleReadersTakeHalfOfTheRestOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &sheet{pieces: pieces{n: 64_000}, readers: 16, page: 1000, delay: 200 * time.Millisecond}
		var got keep[int]
		start := time.Now()
		stats, err := dmap.Map(t.Context(), src, double, dmap.Options{}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 64_000, stats.Succeeded)
		require.Len(t, got.byOffset(), 64_000)
		require.Len(t, got.results, 64_000)
		require.LessOrEqual(t, time.Since(start), 8*200*time.Millisecond, "64 pages, 16 at once, after a first one alone")
		require.LessOrEqual(t, src.pages, 64+2*src.cuts)
	})
}

func TestDivisionsAtAnyTimeAndCursorLoseAndDoubleNothing(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			n := random.IntN(6000)
			src := &sheet{pieces: pieces{n: n}, readers: 1 + random.IntN(8), page: 1 + random.IntN(700), delay: time.Millisecond}
			src.cut = func(reading []dmap.Split) (int, dmap.Cursor, bool) {
				return random.IntN(len(reading)+2) - 1, dmap.Cursor{Offset: random.Int64N(int64(n) + 10)}, random.IntN(8) > 0
			}
			calls := 1 + random.IntN(20)
			var got keep[int]
			stats, err := dmap.Map(t.Context(), src, double, dmap.Options{MaxConcurrency: calls}, &got)
			require.NoError(t, err, "seed %d", seed)
			require.EqualValues(t, n, stats.Succeeded, "seed %d", seed)
			require.Len(t, got.results, n, "seed %d", seed)
			require.Len(t, got.byOffset(), n, "seed %d", seed)
		})
	}
}

func TestUnreadPartsOfDividedPiecesRunInTheNextProcess(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			const n = 5000
			var d diary
			opts := dmap.Options{RunID: "r", MaxConcurrency: 2 + random.IntN(30), CommitEvery: 20 * time.Millisecond, PoisonAfter: -1}
			for process := 0; ; process++ {
				require.Less(t, process, 200, "seed %d", seed)
				src := &sheet{pieces: pieces{n: n}, readers: 6, page: 100, delay: 10 * time.Millisecond}
				ctx, cancel := context.WithCancelCause(t.Context())
				after := time.Duration(30+random.IntN(100)) * time.Millisecond
				time.AfterFunc(after, func() { cancel(dmap.ErrSuspended) })
				stats, err := dmap.Map(ctx, src, double, opts, &page{}, &d)
				cancel(nil)
				if err == nil {
					require.EqualValues(t, n, stats.Succeeded, "seed %d", seed)
					break
				}
				require.ErrorIs(t, err, dmap.ErrSuspended)
			}
			counted := d.counted(t)
			require.Len(t, counted, n)
			seen := map[int64]bool{}
			for _, offset := range counted {
				require.False(t, seen[offset], "offset %d counts twice", offset)
				seen[offset] = true
			}
		})
	}
}

func TestACanceledRunNamesTheUnreadPartsOfDividedPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		src := &sheet{pieces: pieces{n: n}, readers: 8, page: 500, delay: 100 * time.Millisecond}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(450*time.Millisecond, func() { cancel(errBoom) })
		var got keep[int]
		stats, err := dmap.Map(ctx, src, double, dmap.Options{}, &got)
		require.ErrorIs(t, err, errBoom)
		require.Positive(t, src.cuts)
		unread := got.ended[0].Unread
		require.Nil(t, unread.After)
		covered := make([]int, n)
		for _, s := range unread.Splits {
			for i := s.From.Offset; i < src.end(s); i++ {
				covered[i]++
			}
		}
		for _, p := range got.ended[0].Pending {
			covered[p.Offset]++
		}
		for _, r := range got.results {
			covered[r.Offset]++
		}
		for i, times := range covered {
			require.Equal(t, 1, times, "item %d; %+v", i, unread)
		}
		require.EqualValues(t, len(got.results), stats.Succeeded)
	})
}

func TestMaxItemsAndASingleCallKeepTheOrderOfASourceWithTrySplit(t *testing.T) {
	for _, opts := range []dmap.Options{{MaxItems: 2500}, {MaxConcurrency: 1}} {
		synctest.Test(t, func(t *testing.T) {
			src := &sheet{pieces: pieces{n: 4000}, readers: 8, page: 500, delay: time.Second}
			var got keep[int]
			_, err := dmap.Map(t.Context(), src, double, opts, &got)
			require.NoError(t, err)
			require.Zero(t, src.cuts)
			want := 4000
			if opts.MaxItems > 0 {
				want = int(opts.MaxItems)
			}
			byOffset := got.byOffset()
			require.Len(t, byOffset, want)
			for i := range want {
				_, there := byOffset[int64(i)]
				require.True(t, there, "item %d", i)
			}
		})
	}
}

func TestASourceThatBreaksInTrySplitEndsTheRun(t *testing.T) {
	for name, breaks := range map[string]func(){
		"panic":  func() { panic(errBoom) },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &sheet{pieces: pieces{n: 4000}, readers: 4, page: 100, delay: time.Millisecond}
				src.cut = func([]dmap.Split) (int, dmap.Cursor, bool) { breaks(); return 0, dmap.Cursor{}, false }
				_, err := dmap.Map(t.Context(), src, double, dmap.Options{}, &keep[int]{})
				var source *dmap.SourceError
				require.ErrorAs(t, err, &source)
			})
		})
	}
}

func TestAnImpossibleDivisionIsNotAskedForAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		src := &sheet{pieces: pieces{n: 3000}, readers: 4, page: 1000, delay: time.Second}
		src.cut = func([]dmap.Split) (int, dmap.Cursor, bool) { asked++; return 0, dmap.Cursor{}, true }
		stats, err := dmap.Map(t.Context(), src, double, dmap.Options{}, &keep[int]{})
		require.NoError(t, err)
		require.EqualValues(t, 3000, stats.Succeeded)
		require.Positive(t, asked)
		require.Less(t, asked, 3020, "at most once for each step that reading has gone on, where it would else be for ever")
	})
}
