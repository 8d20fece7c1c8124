package transient_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/transient"
)

func TestDelayDoublesUpToItsBound(t *testing.T) {
	second := transient.Backoff{First: time.Second}
	bounded := transient.Backoff{First: time.Second, Max: 3 * time.Second}
	const almostOne = 1 - 1e-12
	for name, test := range map[string]struct {
		backoff  transient.Backoff
		failures int
		chance   float64
		want     time.Duration
	}{
		"none":                 {second, 0, almostOne, 0},
		"one, shortest":        {second, 1, 0, 500 * time.Millisecond},
		"one, middle":          {second, 1, 0.5, 750 * time.Millisecond},
		"one, longest":         {second, 1, almostOne, time.Second},
		"two":                  {second, 2, almostOne, 2 * time.Second},
		"five":                 {second, 5, 0, 8 * time.Second},
		"bounded":              {bounded, 3, almostOne, 3 * time.Second},
		"first over the bound": {transient.Backoff{First: time.Hour, Max: time.Minute}, 1, almostOne, time.Minute},
		"no backoff":           {transient.Backoff{}, 7, 0.5, 0},
	} {
		got := test.backoff.Delay(test.failures, test.chance)
		require.InDelta(t, test.want, got, float64(time.Microsecond), name)
	}
	require.Positive(t, second.Delay(math.MaxInt, almostOne), "no overflow")
}

type retryAfter time.Duration

func (e retryAfter) Error() string             { return "later" }
func (e retryAfter) RetryAfter() time.Duration { return time.Duration(e) }

func TestWaitIsAtLeastWhatTheStoreAsksUpToAMinute(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{5 * time.Second: 5 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			require.NoError(t, transient.Backoff{First: time.Millisecond}.Wait(t.Context(), 1, retryAfter(asked)))
			require.Equal(t, want, time.Since(begin))
		})
	}
}

func TestWaitEndsWithTheCauseOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		begin := time.Now()
		require.ErrorIs(t, transient.Backoff{First: time.Hour}.Wait(ctx, 1, nil), cause)
		require.Equal(t, time.Second, time.Since(begin))
		for range 100 {
			require.ErrorIs(t, transient.Backoff{}.Wait(ctx, 0, nil), cause, "also if there is nothing to wait for")
		}
	})
}

func TestDoRepeatsUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := transient.Retry{Attempts: 4, Backoff: transient.Backoff{First: time.Second}, Again: always}
		calls := 0
		begin := time.Now()
		attempts, err := retry.Do(t.Context(), func() error {
			if calls++; calls < 3 {
				return errBusy
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 3, attempts)
		waited := time.Since(begin) // 1 s and 2 s, each between half and all
		require.GreaterOrEqual(t, waited, 1500*time.Millisecond)
		require.LessOrEqual(t, waited, 3*time.Second)
	})
}

var errBusy = errors.New("busy")

func always(error) bool { return true }

func TestDoEndsAfterItsAttempts(t *testing.T) {
	for want, again := range map[int]func(error) bool{4: always, 1: func(error) bool { return false }} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			attempts, err := transient.Retry{Attempts: 4, Again: again}.Do(t.Context(), func() error { calls++; return errBusy })
			require.ErrorIs(t, err, errBusy)
			require.Equal(t, want, attempts)
			require.Equal(t, want, calls)
		})
	}
}

func TestDoWithoutALimitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		retry := transient.Retry{Backoff: transient.Backoff{First: time.Millisecond, Max: 50 * time.Millisecond}, Again: always}
		begin := time.Now()
		attempts, err := retry.Do(ctx, func() error { return errBusy })
		require.ErrorIs(t, err, errBusy)
		require.Greater(t, attempts, 1000)
		require.Equal(t, time.Minute, time.Since(begin))

		attempts, err = retry.Do(ctx, func() error { return errBusy })
		require.ErrorIs(t, err, errBusy)
		require.Equal(t, 1, attempts, "one attempt under a context that has ended")
	})
}
