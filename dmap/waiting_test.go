package dmap_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// settledAt is when the function has settled each item.
type settledAt struct {
	mu sync.Mutex
	at map[int64]time.Time
}

func (s *settledAt) note(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[int64]time.Time{}
	}
	s.at[int64(i)] = time.Now()
}

// before returns the number of items settled before t.
func (s *settledAt) before(t time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.at {
		if at.Before(t) {
			n++
		}
	}
	return n
}

// An item in fifty asks for a long wait. A crash may repeat what is in flight and what was settled
// in the last window, and nothing else.
func TestFinishedItemsAreCommittedWhileNeighborsWaitForTheirRetry(t *testing.T) {
	const window = 200 * time.Millisecond
	for _, c := range []struct {
		inBatches int // 0: Map
		takes     time.Duration
		limit     int
	}{
		{takes: 0, limit: 1}, {takes: 100 * time.Microsecond, limit: 10}, {takes: 20 * time.Millisecond, limit: 40},
		{inBatches: 400, takes: 100 * time.Millisecond, limit: 4}, {inBatches: 7, takes: time.Millisecond, limit: 4},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var settled settledAt
				call := func(ctx context.Context, i int) error {
					if info, _ := dmap.InfoFrom(ctx); info.Attempt == 1 && i%50 == 7 {
						return dmap.RetryAfter(errBoom, 30*time.Second)
					}
					settled.note(i)
					return nil
				}
				opts := dmap.Options{RunID: "r", MaxConcurrency: c.limit, CommitEvery: window, Retry: dmap.Retry{MaxAttempts: 3}}
				src := pieces{100_800, 5600} // whole batches
				var run *dmap.Run
				var err error
				if c.inBatches == 0 {
					run, err = dmap.Start(t.Context(), src, func(ctx context.Context, i int) (int, error) {
						time.Sleep(c.takes)
						return i, call(ctx, i)
					}, opts, dmap.Sink[int](&page{}), &d)
				} else {
					run, err = dmap.StartBatch(t.Context(), src, batch.Limits{Items: c.inBatches}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
						time.Sleep(c.takes)
						errs := batch.Errors{}
						for k := range in {
							if err := call(ctx, in[k].Value); err != nil {
								errs[k] = err
							}
						}
						return make([]int, len(in)), errs.Err()
					}, opts, dmap.Sink[int](&page{}), &d)
				}
				require.NoError(t, err)
				time.Sleep(6 * time.Second)
				synctest.Wait()
				s := run.Stats()
				require.Positive(t, s.Waiting)
				require.EqualValues(t, s.Pending, s.Waiting+s.Queued+s.InFlight*max(1, c.inBatches), "each unsettled item is in one place: %+v", s)
				counted := len(d.counted(t)) // a crash now would lose the others
				require.GreaterOrEqual(t, counted, settled.before(time.Now().Add(-window-c.takes*64)))
				require.Greater(t, counted, 1000)
				run.Cancel(nil)
				_, err = run.Wait()
				require.ErrorIs(t, err, dmap.ErrCanceled)
			})
		})
	}
}

// Fast calls travel in chunks of many: a pause may find some items of a chunk finished and others
// not called.
func TestFinishedItemsAreCommittedWhileTheRunIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var run *dmap.Run
		started := make(chan struct{})
		run, err := dmap.Start(t.Context(), pieces{1000, 1000}, func(_ context.Context, i int) (int, error) {
			if i == 500 {
				<-started
				run.Pause()
			}
			return i, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 1}, dmap.Sink[int](&page{}), &d)
		require.NoError(t, err)
		close(started)
		time.Sleep(time.Minute)
		synctest.Wait()
		s := run.Stats()
		require.EqualValues(t, 501, s.Succeeded)
		require.EqualValues(t, s.Pending, s.Queued)
		require.Len(t, d.counted(t), 501)
		run.Resume()
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 1000, stats.Succeeded)
		require.EqualValues(t, 1000, stats.Calls)
		require.Len(t, d.counted(t), 1000)
	})
}

// Suspects run alone, one after the other. Their batch does not wait for them.
func TestTheBatchOfASuspectDoesNotWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		survived, _ := die(t, &d, true, 0)
		require.False(t, survived)
		suspect := journal.Interval{Split: "0", From: journal.Cursor{Offset: 71}, To: journal.Cursor{Offset: 72}}
		d.commits = append(d.commits, journal.Commit{
			Number: int64(len(d.commits)), Begins: true, Trying: []journal.Trial{{Item: suspect, ID: "n@71", Live: true}},
		})
		d.onAppend = nil
		opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: 50 * time.Millisecond, Tolerance: dmap.Tolerance{Count: 1}}
		var alone []int
		run, err := dmap.StartBatch(t.Context(), pieces{200, 200}, batch.Limits{Items: 4}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
			if len(in) == 1 { // the 71 items before it and the 128 after it leave no batch of one
				alone = append(alone, in[0].Value)
				time.Sleep(time.Hour)
			}
			return make([]int, len(in)), nil
		}, opts, dmap.Sink[int](&page{}), &d)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{71}, alone)
		require.Len(t, d.counted(t), 199)
		stats, err := run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 200, stats.Succeeded)
		require.Len(t, d.counted(t), 200)
	})
}

// A run that ends while retries wait leaves them pending, each once, with its last error, and a
// resumed run settles them.
func TestItemsThatWaitForTheirRetryArePendingAtTheEnd(t *testing.T) {
	for _, inBatches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			var got keep[int]
			opts := dmap.Options{RunID: "r", MaxConcurrency: 3, Retry: dmap.Retry{MaxAttempts: 2}}
			asks := func(i int) error {
				if i%5 == 2 {
					return dmap.RetryAfter(fmt.Errorf("item %d: %w", i, errBoom), time.Hour)
				}
				return nil
			}
			src := pieces{100, 30}
			start := func(opts dmap.Options, asks func(int) error) (*dmap.Run, error) {
				if !inBatches {
					return dmap.Start(t.Context(), src, func(_ context.Context, i int) (int, error) { return i, asks(i) },
						opts, dmap.Sink[int](&page{}), &d, &got)
				}
				return dmap.StartBatch(t.Context(), src, batch.Limits{Items: 8}, func(_ context.Context, in []dmap.Item[int]) ([]int, error) {
					errs := batch.Errors{}
					for k := range in {
						if err := asks(in[k].Value); err != nil {
							errs[k] = err
						}
					}
					return make([]int, len(in)), errs.Err()
				}, opts, dmap.Sink[int](&page{}), &d, &got)
			}
			run, err := start(opts, asks)
			require.NoError(t, err)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.Suspend()
			stats, err := run.Wait()
			require.ErrorIs(t, err, dmap.ErrSuspended)
			require.EqualValues(t, 80, stats.Succeeded)
			require.EqualValues(t, 20, stats.Pending)
			require.Len(t, d.counted(t), 80)
			pending := map[int64]bool{}
			for _, p := range got.ended[0].Pending {
				require.False(t, pending[p.Offset])
				pending[p.Offset] = true
				require.EqualValues(t, 2, p.Offset%5)
				require.EqualValues(t, p.Offset, *p.Input.(*int))
				require.ErrorContains(t, p.Err, fmt.Sprintf("item %d", p.Offset))
				require.Equal(t, 1, p.Attempt)
				again := reread(t, src, p.Split, p.At.Version, p.At.Start)
				require.Equal(t, p.Offset, again.Offset)
				require.Equal(t, again.Next, p.At.Next)
			}
			require.Len(t, pending, 20)

			run, err = start(opts, func(int) error { return nil })
			require.NoError(t, err)
			stats, err = run.Wait()
			require.NoError(t, err)
			require.EqualValues(t, 100, stats.Succeeded)
			require.Len(t, d.counted(t), 100)
		})
	}
}

// The tally of a run and of its commits, and the positions of results, do not depend on retries.
func TestRetriesChangeNeitherCountsNorPositions(t *testing.T) {
	for _, inBatches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			var got keep[int]
			src := skipping{pieces{300, 70}}
			opts := dmap.Options{
				RunID: "r", MaxConcurrency: 4, Tolerance: dmap.Tolerance{Percentage: 100}, MaxItems: 150,
				Retry: dmap.Retry{MaxAttempts: 4, Initial: 10 * time.Millisecond},
			}
			call := func(ctx context.Context, i int) error {
				if info, _ := dmap.InfoFrom(ctx); i%7 >= info.Attempt { // 6 never succeeds
					return errBoom
				}
				return nil
			}
			var stats dmap.Stats
			var err error
			if inBatches {
				stats, err = dmap.MapBatch(t.Context(), src, batch.Limits{Items: 12}, func(ctx context.Context, in []dmap.Item[int]) ([]int, error) {
					errs := batch.Errors{}
					for k := range in {
						if err := call(ctx, in[k].Value); err != nil {
							errs[k] = err
						}
					}
					return make([]int, len(in)), errs.Err()
				}, opts, dmap.Sink[int](&page{}), &d, &got)
			} else {
				stats, err = dmap.Map(t.Context(), src, func(ctx context.Context, i int) (int, error) { return i, call(ctx, i) },
					opts, dmap.Sink[int](&page{}), &d, &got)
			}
			require.NoError(t, err)
			require.EqualValues(t, 150, stats.Succeeded+stats.Failed)
			require.True(t, stats.Truncated)
			require.Len(t, got.results, 150)
			for _, r := range got.results {
				require.Equal(t, min(1+int(r.Offset%7), 4), r.Attempt)
				require.Equal(t, r.Offset%7 > 3, r.Err != nil)
				require.EqualValues(t, r.Offset, *r.Input.(*int))
				if r.Err == nil {
					continue
				}
				again := reread(t, src.pieces, r.Split, r.At.Version, r.At.Start)
				for again.Offset%3 == 1 { // skipped right before it
					again = reread(t, src.pieces, r.Split, r.At.Version, again.Next)
				}
				require.Equal(t, r.Offset, again.Offset)
				require.Equal(t, again.Next, r.At.Next)
			}
			var sum dmap.Stats
			for _, c := range d.commits {
				sum.Read += c.Counts.Read
				sum.Skipped += c.Counts.Skipped
				sum.Succeeded += c.Counts.Succeeded
				sum.Failed += c.Counts.Failed
				sum.Calls += c.Counts.Calls
				sum.Retries += c.Counts.Retries
			}
			require.Equal(t, dmap.Stats{
				Read: stats.Read, Skipped: stats.Skipped, Succeeded: stats.Succeeded, Failed: stats.Failed, Calls: stats.Calls, Retries: stats.Retries,
			}, sum, "the commits hold all counts")
		})
	}
}

// skipping is pieces in which the source skips each third item.
type skipping struct{ pieces }

func (s skipping) Plan() dmap.Plan[int] {
	p := s.pieces.Plan()
	read := p.Read
	p.Read = func(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int], error] {
		return func(yield func(dmap.Item[int], error) bool) {
			read(ctx, split)(func(item dmap.Item[int], err error) bool {
				if item.Offset%3 == 1 {
					item.Err = dmap.ErrSkip
				}
				return yield(item, err)
			})
		}
	}
	return p
}

// A source without a Plan is read from its start for each gap. A crash while thousands of retries
// wait must not make that thousands of readings.
func TestAResumeReadsGapsThatAreNearEachOtherTogether(t *testing.T) {
	for _, each := range []int{0, 5000} { // 0: a source without a Plan
		synctest.Test(t, func(t *testing.T) {
			const n = 48_000
			var d diary
			var yielded atomic.Int64
			var src dmap.Source[int] = items(func(ctx context.Context, yield func(dmap.Item[int], error) bool) {
				skipping{pieces{n, n}}.Plan().Read(ctx, dmap.Split{To: dmap.Cursor{Offset: n}})(func(item dmap.Item[int], err error) bool {
					yielded.Add(1)
					return yield(item, err)
				})
			})
			if each > 0 {
				src = skipping{pieces{n, each}}
			}
			opts := dmap.Options{RunID: "r", MaxConcurrency: 20, Retry: dmap.Retry{MaxAttempts: 2}}
			run, err := dmap.Start(t.Context(), src, func(_ context.Context, i int) (int, error) {
				if i%50 == 0 {
					return 0, dmap.RetryAfter(errBoom, time.Hour)
				}
				return i, nil
			}, opts, dmap.Sink[int](&page{}), &d)
			require.NoError(t, err)
			time.Sleep(time.Minute)
			synctest.Wait()
			waiting := run.Stats().Waiting
			require.Greater(t, waiting, 600)
			run.Suspend()
			_, err = run.Wait()
			require.ErrorIs(t, err, dmap.ErrSuspended)

			yielded.Store(0)
			stats, err := dmap.Map(t.Context(), src, double, opts, dmap.Sink[int](&page{}), &d)
			require.NoError(t, err)
			require.EqualValues(t, n, stats.Read)
			require.EqualValues(t, n/3, stats.Skipped)
			require.EqualValues(t, n-n/3, stats.Succeeded)
			counted := d.counted(t)
			require.Len(t, counted, n-n/3)
			slices.Sort(counted)
			require.Len(t, slices.Compact(counted), n-n/3)
			// One reading compares the settled prefix before any item of it is called; another
			// yields the items of all gaps.
			require.LessOrEqual(t, yielded.Load(), int64(2*n))
		})
	}
}

// The watchdog gives the rest of a chunk to another worker while items of it wait for their retry.
func TestAnAbandonedCallAmongItemsThatWaitCostsItsItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got keep[int]
		stats, err := dmap.Map(t.Context(), numbers(3000), func(ctx context.Context, i int) (int, error) {
			info, _ := dmap.InfoFrom(ctx)
			if i%10 == 3 && info.Attempt == 1 {
				return 0, dmap.RetryAfter(errBoom, time.Minute)
			}
			if i%1000 == 777 {
				<-release
			}
			return i, nil
		}, dmap.Options{
			MaxConcurrency: 2, Timeout: time.Second, AbandonAfter: time.Second, Tolerance: dmap.Tolerance{Count: 3}, Retry: dmap.Retry{MaxAttempts: 2},
		}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 2997, stats.Succeeded)
		require.EqualValues(t, 3, stats.Failed)
		require.EqualValues(t, 300, stats.Retries)
		require.Len(t, got.results, 3000)
		require.Len(t, got.byOffset(), 3000)
		close(release)
	})
}
