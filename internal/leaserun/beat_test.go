package leaserun_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
	"github.com/go-dmap/dmap/internal/leaserun"
)

func TestABeatSaysHowFarAnAttemptHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := numbers{n: 100, each: 50}
		l := lease.Lease{Ref: lease.Ref{Lease: 7, Attempt: 2, Era: 3}, Splits: splitsOf(t, src), Slots: 10, Time: time.Hour}
		control := new(leaserun.Control)
		_, ok := control.Beat()
		require.False(t, ok, "it has not started")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = leaserun.Run(t.Context(), job(src, sleeps(time.Second)), l, newLane[int](&store{}, l.Ref), control)
		}()
		time.Sleep(4500 * time.Millisecond)
		control.Saved(journal.Counts{Succeeded: 30, Failed: 5, Redriven: 1})
		b, ok := control.Beat()
		require.True(t, ok)
		require.Equal(t, l.Ref, b.Ref)
		require.EqualValues(t, 40, b.Stats.Succeeded)
		require.Equal(t, 10, b.Stats.InFlight)
		require.Equal(t, lease.Tally{Succeeded: 30, Failed: 4}, b.Saved)
		require.Len(t, b.Oldest, 3)
		require.Equal(t, 500*time.Millisecond, b.Oldest[0].Age)
		require.EqualValues(t, 40, b.Times.Calls.Count)
		require.False(t, b.ReadAll, "a lease reads little ahead")
		text, err := json.Marshal(b)
		require.NoError(t, err)
		require.Less(t, len(text), 1500, "a host has those of a thousand leases in one message of 4 MiB")
		time.Sleep(5 * time.Second)
		b, ok = control.Beat()
		require.True(t, ok)
		require.True(t, b.ReadAll, "its last calls are in flight")
		<-done
		_, ok = control.Beat()
		require.False(t, ok, "it has ended")
	})
}

func TestABeatHasNoKeysThatAreHidden(t *testing.T) {
	for name, c := range map[string]struct {
		redact func(string) string
		prefix string
		want   int
	}{
		"keys are shown":  {nil, "", 3},
		"keys are hidden": {strings.ToUpper, "", 0},
		"long keys":       {nil, strings.Repeat("x", 513), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := numbers{n: 10, each: 10}
				j := job(src, sleeps(time.Second))
				j.Options.Redact = dmap.Redact{Key: c.redact}
				l := lease.Lease{Splits: splitsOf(t, src), Slots: 10, Time: time.Hour}
				l.Splits[0].ID = c.prefix + l.Splits[0].ID
				control, done := new(leaserun.Control), make(chan struct{})
				go func() {
					defer close(done)
					_, _ = leaserun.Run(t.Context(), j, l, newLane[int](&store{}, l.Ref), control)
				}()
				time.Sleep(500 * time.Millisecond)
				b, ok := control.Beat()
				require.True(t, ok)
				require.Equal(t, 10, b.Stats.InFlight)
				require.Len(t, b.Oldest, c.want)
				<-done
			})
		})
	}
}
