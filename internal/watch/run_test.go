package watch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// One line, Options.Observer, gives all of a run of Map, and its controls.
func TestTheObserverWatchesAndControlsARunOfMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Calls end each half second: no reading comes at the same moment.
		set := NewSet(Options{Every: 960 * time.Millisecond, Total: func(string) int64 { return 400 }})
		ended := make(chan error, 1)
		go func() {
			_, err := dmap.Map(t.Context(), source.Slice(make([]int, 400)), func(ctx context.Context, _ int) (int, error) {
				info, _ := dmap.InfoFrom(ctx)
				time.Sleep(500 * time.Millisecond)
				if info.Index%10 == 0 {
					return 0, fmt.Errorf("loan %d is unknown", info.Index)
				}
				return 1, nil
			}, dmap.Options{RunID: "monday", MaxConcurrency: 10, Observer: set.Observer(), Tolerance: dmap.Tolerance{Percentage: 50}})
			ended <- err
		}()
		time.Sleep(8100 * time.Millisecond)
		c := set.Find("monday")
		s := c.Snapshot()
		require.True(t, s.Live)
		require.Equal(t, StatusRunning, s.Verdict.Status)
		require.InDelta(t, 20, s.Now.Items, 2)
		require.InDelta(t, 0.5, s.Now.P50, 0.04)
		require.InDelta(t, 0.5, s.Now.P95, 0.04)
		require.Len(t, s.Calls, 10)
		require.Equal(t, 1, s.Calls[0].Attempt)
		require.Equal(t, "the run begins", s.Marks[0].Text)
		require.InDelta(t, 1, s.Spent[2].Share, 0.1, "all time is in the function")
		require.Len(t, s.Failures.Groups, 1)
		require.True(t, s.ETA.Known)
		require.InDelta(t, 12, s.ETA.Left, 2)

		require.NoError(t, c.Run().SetMaxConcurrency(20))
		c.Run().Pause()
		time.Sleep(2 * time.Second)
		s = c.Snapshot()
		require.Equal(t, StatusPaused, s.Verdict.Status)
		require.Equal(t, 20, s.Limits.Concurrency)
		require.Contains(t, s.ETA.Why, "paused")
		c.Run().Resume()
		require.NoError(t, <-ended)
		s = c.Snapshot()
		require.False(t, s.Live)
		require.Equal(t, "Succeeded, with 40 tolerated failures.", s.Verdict.Text)
		require.Equal(t, "400 of 400 items, 100 %", s.Progress.Text)
	})
}

func TestRunsInsideCallsAndBatchesAreRunsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{})
		inner := func(ctx context.Context, n int) error {
			_, err := dmap.MapBatch(ctx, source.Slice([]int{1, 2, 3}), batch.Limits{Items: 3}, func(context.Context, []dmap.Item[int]) ([]int, error) {
				return nil, errors.New("no")
			}, dmap.Options{RunID: fmt.Sprintf("inner-%d", n), Observer: set.Observer()})
			return err
		}
		_, err := dmap.Map(t.Context(), source.Slice([]int{1, 2}), func(ctx context.Context, n int) (int, error) {
			return n, inner(ctx, n)
		}, dmap.Options{RunID: "outer", Observer: set.Observer(), Tolerance: dmap.Tolerance{Count: 2}})
		require.NoError(t, err)
		require.Len(t, set.Runs(), 3)
		for key, want := range map[string]int64{"outer": 2, "inner-1": 3, "inner-2": 3} {
			s := set.Find(key).Snapshot()
			require.Equal(t, want, s.Failures.Total, key)
			require.Equal(t, key != "outer", s.Batch)
			if key != "outer" {
				require.Equal(t, StatusFailed, s.Verdict.Status)
				require.NotEmpty(t, s.Verdict.Cause)
			}
		}
	})
}

// The text of the class "error" of a hostile error is made once, and a panic in it harms nobody.
type hostile struct{}

func (hostile) Error() string { panic("no text") }

func TestAHostileErrorIsAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{})
		_, err := dmap.Map(t.Context(), source.Slice([]int{1}), func(context.Context, int) (int, error) { return 0, hostile{} },
			dmap.Options{RunID: "x", Observer: set.Observer()})
		require.Error(t, err)
		s := set.Find("x").Snapshot()
		require.EqualValues(t, 1, s.Failures.Total)
		require.Contains(t, s.Failures.Groups[0].Samples[0].Error, "hostile")
	})
}
