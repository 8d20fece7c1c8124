package dmap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/testsize"
)

// machine runs one job in processes that end at some time, or when the function says so. The store
// of their journal takes a while for each record.
type machine struct {
	diary
	src         dmap.Source[int]
	concurrency int
	store       time.Duration
	fn          func(i int) (time.Duration, bool) // time of a call, and whether it crashes the process
	firstCall   atomic.Int64                      // of the last process: ns after its start
}

// process runs the job until it ends, crashes, or is killed after life. A killed process writes
// nothing more.
func (m *machine) process(t *testing.T, life time.Duration) (failed []dmap.Result[int], ended bool) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var dead atomic.Bool
	kill := func() {
		dead.Store(true)
		cancel(errBoom)
	}
	if life > 0 {
		defer time.AfterFunc(life, kill).Stop()
	}
	m.onAppend = func(int) (bool, error) {
		if dead.Load() {
			return false, errBoom
		}
		return true, nil
	}
	start := time.Now()
	m.firstCall.Store(-1)
	var got keep[int]
	_, err := dmap.Map(ctx, m.src, func(ctx context.Context, i int) (int, error) {
		m.firstCall.CompareAndSwap(-1, int64(time.Since(start)))
		took, crashes := m.fn(i)
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if crashes && !dead.Load() {
			kill()
		}
		if dead.Load() {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: m.concurrency, DrainTimeout: time.Millisecond, Tolerance: dmap.Tolerance{Count: 10}},
		dmap.Sink[int](&slowPage{wait: m.store}), &got, m)
	if err != nil {
		require.True(t, dead.Load(), "%v", err)
		return nil, false
	}
	for _, r := range got.results {
		if r.Err != nil {
			failed = append(failed, r)
		}
	}
	return failed, true
}

// slowPage is a page whose commits take a while.
type slowPage struct {
	page
	wait time.Duration
}

func (p *slowPage) Commit(ctx context.Context) (json.RawMessage, error) {
	time.Sleep(p.wait)
	return p.page.Commit(ctx)
}

func (m *machine) OpenJournal(ctx context.Context, spec dmap.RunSpec, same func(context.Context, *journal.Progress) error) (journal.Log, journal.Progress, *dmap.Ending, error) {
	_, p, ended, err := m.diary.OpenJournal(ctx, spec, same)
	return m, p, ended, err
}

// Append takes a while, as a request to a store does.
func (m *machine) Append(ctx context.Context, c journal.Commit) error {
	time.Sleep(m.store)
	return m.diary.Append(ctx, c)
}

// requireOnce checks that each of n items counts once.
func (m *machine) requireOnce(t *testing.T, n int) {
	t.Helper()
	times := map[int64]int{}
	for _, offset := range m.counted(t) {
		times[offset]++
		require.Equal(t, 1, times[offset])
	}
	require.Len(t, times, n)
}

// withoutRace skips a test with the race detector: where thousands of goroutines end at once, again
// and again, its runtime now and then ends the process ("ThreadSanitizer: CHECK failed").
func withoutRace(t *testing.T) {
	t.Helper()
	if testsize.RaceDetector {
		t.Skip("too many goroutines for the race detector")
	}
}

// A healthy function in processes that are killed from outside again and again.
func TestEachProcessThatIsKilledMakesProgress(t *testing.T) {
	const life = 2500 * time.Millisecond
	withoutRace(t)
	for _, concurrency := range []int{10, 100, 1000} {
		for _, call := range []time.Duration{0, 50 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprint(concurrency, " at once, calls of ", call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 12 * concurrency
					if call < time.Second {
						n = 100 * concurrency
					}
					m := &machine{src: pieces{n, n / 7}, concurrency: concurrency, store: 50 * time.Millisecond,
						fn: func(int) (time.Duration, bool) { return call, false }}
					for process := 0; ; process++ {
						before := len(m.counted(t))
						limit := life
						if process == 12 {
							limit = 0
						}
						failed, ended := m.process(t, limit)
						require.Empty(t, failed, "nobody is blamed")
						t.Logf("process %d: first call after %v, %d of %d items count", process, time.Duration(m.firstCall.Load()), len(m.counted(t)), n)
						if ended {
							m.requireOnce(t, n)
							return
						}
						require.Greater(t, len(m.counted(t)), before)
						require.LessOrEqual(t, time.Duration(m.firstCall.Load()), 2*time.Second)
					}
				})
			})
		}
	}
}

// One item crashes each process that calls it, among many others in flight.
func TestTheItemThatCrashesIsFoundAmongManyInFlight(t *testing.T) {
	withoutRace(t)
	for _, concurrency := range []int{1, 10, 100, 1000} {
		for _, call := range []time.Duration{time.Millisecond, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(concurrency, " at once, calls of ", call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 20 * concurrency
					bad := n / 2
					m := &machine{src: pieces{n, n/7 + 1}, concurrency: concurrency, store: 20 * time.Millisecond,
						fn: func(i int) (time.Duration, bool) { return call, i == bad }}
					for crashes := 0; ; crashes++ {
						failed, ended := m.process(t, 0)
						t.Logf("process %d: %d of %d items count", crashes, len(m.counted(t)), n)
						if !ended {
							require.Less(t, crashes, 7)
							continue
						}
						require.Len(t, failed, 1)
						require.EqualValues(t, bad, failed[0].Offset)
						var poison *dmap.PoisonError
						require.ErrorAs(t, failed[0].Err, &poison)
						m.requireOnce(t, n)
						return
					}
				})
			})
		}
	}
}
