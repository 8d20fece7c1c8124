package dmap_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
)

// edits are those of all records together.
func (d *diary) edits() (all journal.Edits) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commits {
		all.Add(c.Edits)
	}
	return all
}

// length is the number of records.
func (d *diary) length() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.commits)
}

// tolerances are those that the records say, in order.
func (d *diary) tolerances() (all []journal.Tolerance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commits {
		if c.Tolerance != nil {
			all = append(all, *c.Tolerance)
		}
	}
	return all
}

// forever is a call that ends with its context.
func forever(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestEachEditIsInTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		opts := dmap.Options{RunID: "r", MaxConcurrency: 10, CommitEvery: time.Second, Tolerance: dmap.Tolerance{Count: 1}, DrainTimeout: 1}
		run, err := dmap.Start(t.Context(), numbers(100), forever, opts, d)
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 1, d.length(), "the end of the source")
		at := time.Now()
		require.NoError(t, run.SetMaxConcurrency(20))
		require.NoError(t, run.SetMaxConcurrency(20), "no change")
		require.NoError(t, run.SetMaxConcurrency(15))
		time.Sleep(time.Second)
		require.Equal(t, journal.Edits{Count: 2, Newest: []journal.Edit{
			{At: at.UTC(), Setting: "MaxConcurrency", From: "10", To: "20"}, {At: at.UTC(), Setting: "MaxConcurrency", From: "20", To: "15"},
		}}, utc(d.edits()), "an edit alone reaches the journal within a commit window")
		require.Equal(t, 2, d.length())
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, d.length())

		run.Pause()
		require.NoError(t, run.SetRate(dmap.Rate{Calls: 50, Items: 0.5, Burst: 3}))
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Count: 10, Percentage: 5, MinItems: 7, BrokenObjects: 2}))
		run.Suspend()
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrSuspended)
		all := d.edits()
		require.EqualValues(t, 5, all.Count)
		require.Equal(t, []string{"10", "20", "20", "15", "false", "true", "no limit", "50 calls a second, 0.5 items a second, burst 3",
			"1 items", "10 items or 5 % from 7 items on, 2 broken objects"}, texts(all), "the last record has the latest ones")
		require.Equal(t, []journal.Tolerance{{Count: 1}, {Count: 10, Percentage: 5, MinItems: 7, BrokenObjects: 2}}, d.tolerances())

		// A resumed run takes its options, and keeps the edits.
		resumed, err := dmap.Start(t.Context(), numbers(100), func(_ context.Context, i int) (int, error) {
			time.Sleep(2 * time.Second)
			return i, nil
		}, opts, d)
		require.NoError(t, err)
		s := resumed.Stats()
		require.Equal(t, 10, s.Limit)
		require.False(t, s.Paused)
		require.Zero(t, s.Rate)
		require.NoError(t, resumed.SetMaxConcurrency(100))
		stats, err := resumed.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
		require.EqualValues(t, 6, d.edits().Count)
		require.Equal(t, []journal.Tolerance{{Count: 1}, {Count: 10, Percentage: 5, MinItems: 7, BrokenObjects: 2}, {Count: 1}}, d.tolerances())
	})
}

func utc(e journal.Edits) journal.Edits {
	for i := range e.Newest {
		e.Newest[i].At = e.Newest[i].At.UTC()
	}
	return e
}

func texts(e journal.Edits) (all []string) {
	for _, o := range e.Newest {
		all = append(all, o.From, o.To)
	}
	return all
}

// Also those that are made while the run saves its results.
func TestTheFinalRecordHasTheLatestEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		var run *dmap.Run
		d.onAppend = func(int) (bool, error) {
			if run != nil {
				err := run.SetMaxConcurrency(77)
				run = nil
				return true, err
			}
			return true, nil
		}
		started, err := dmap.Start(t.Context(), numbers(10), second, dmap.Options{RunID: "r", CommitEvery: time.Hour, MaxConcurrency: 1}, d)
		require.NoError(t, err)
		d.mu.Lock()
		run = started // the first record is the last commit of items
		d.mu.Unlock()
		_, err = started.Wait()
		require.NoError(t, err)
		require.Equal(t, []string{"1", "77"}, texts(d.edits()))
		require.Len(t, d.commits, 2)
		require.Zero(t, d.commits[0].Edits)
	})
}

func TestManyEditsStaySmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		run, err := dmap.Start(t.Context(), numbers(10), forever, dmap.Options{RunID: "r", CommitEvery: time.Second, DrainTimeout: 1}, d)
		require.NoError(t, err)
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				for n := range 3000 {
					if n%1000 == 0 {
						time.Sleep(time.Second)
					}
					if err := run.SetMaxConcurrency(1 + 10*(n%100) + i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		run.Suspend()
		_, err = run.Wait()
		require.ErrorIs(t, err, dmap.ErrSuspended)
		require.LessOrEqual(t, len(d.commits), 5)
		for _, c := range d.commits {
			require.LessOrEqual(t, len(c.Edits.Newest), journal.MaxEdits)
		}
		all := d.edits()
		require.Greater(t, all.Count, int64(20_000))
		require.Len(t, all.Newest, journal.MaxEdits)
		for i := 1; i < len(all.Newest); i++ {
			require.Equal(t, all.Newest[i-1].To, all.Newest[i].From, "edits of one setting follow each other")
		}
	})
}

// A record whose answer is lost has its edits once; one that was not written stops the run.
func TestAnEditIsInTheJournalOnceAfterACrash(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				opts := dmap.Options{RunID: "r", CommitEvery: time.Second, MaxConcurrency: 3, DrainTimeout: 1}
				d.onAppend = func(int) (bool, error) { return stored, errors.New("down") }
				run, err := dmap.Start(t.Context(), numbers(10), forever, opts, d)
				require.NoError(t, err)
				require.NoError(t, run.SetMaxConcurrency(5))
				_, err = run.Wait()
				require.ErrorContains(t, err, "down")
				d.onAppend = nil
				_, err = dmap.Map(t.Context(), numbers(10), second, opts, d)
				require.NoError(t, err)
				want := int64(0)
				if stored {
					want = 1
				}
				require.Equal(t, want, d.edits().Count)
			})
		})
	}
}

// ending is a Recorder that keeps how its run ended.
type lastWords struct {
	page
	ending dmap.Ending
}

func (*lastWords) Begin(context.Context, dmap.RunSpec) error { return nil }

func (l *lastWords) End(_ context.Context, e dmap.Ending) error {
	l.ending = e
	return nil
}

func (*lastWords) Close() error { return nil }

func TestARunWithoutAJournalEndsWithItsEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lastWords{}
		run, err := dmap.Start(t.Context(), numbers(10), second, dmap.Options{MaxConcurrency: 1}, l)
		require.NoError(t, err)
		require.NoError(t, run.SetTolerance(dmap.Tolerance{Percentage: 2}))
		run.Pause()
		run.Resume()
		_, err = run.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 3, l.ending.EditCount)
		require.Len(t, l.ending.Edits, 3)
		require.Equal(t, "2 %", l.ending.Edits[0].To)
		require.Equal(t, dmap.Tolerance{Percentage: 2}, l.ending.Tolerance)
	})
}

func TestTextsOfEditsAreShort(t *testing.T) {
	e := dmap.EditEvent{From: dmap.Rate{Calls: math.MaxFloat64, Items: math.SmallestNonzeroFloat64}, To: dmap.Tolerance{Percentage: 5e-324}}
	from, to := e.Texts()
	require.Less(t, len(from), 100)
	require.LessOrEqual(t, len(to), 259)
	require.True(t, strings.HasPrefix(to, "0.000"))
}
