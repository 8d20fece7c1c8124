package transient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/transient"
)

type busyAnswer struct{}

func (busyAnswer) Error() string       { return "busy" }
func (busyAnswer) HTTPStatusCode() int { return 503 }

func TestAnAttemptEndsWhenNothingMoves(t *testing.T) {
	for _, test := range []struct {
		moved int64 // after half a minute
		want  time.Duration
		last  error // of the SDK
		says  string
	}{
		{0, time.Minute, context.Canceled, "the store does not answer within 1m0s"},
		{100 * transient.LeastRate, 160 * time.Second, context.Canceled, "the store does not answer within 2m40s"},
		{0, time.Minute, busyAnswer{}, "the store does not answer within 1m0s: busy"},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			l := transient.NewLimit(t.Context(), time.Minute)
			time.AfterFunc(30*time.Second, func() { l.Move(test.moved) })
			<-l.Done()
			require.Equal(t, test.want, time.Since(begin))
			err := l.End(test.last)
			require.ErrorIs(t, err, transient.ErrStalled)
			require.EqualError(t, err, test.says)
		})
	}
}

func TestAnAttemptThatEndsInTimeKeepsItsError(t *testing.T) {
	for _, err := range []error{nil, errors.New("broken")} {
		l := transient.NewLimit(t.Context(), time.Hour)
		require.Equal(t, err, l.End(err))
		require.Error(t, l.Err())
	}
	l := transient.NewLimit(t.Context(), 0)
	require.NoError(t, l.Err())
	require.NoError(t, l.End(nil))
}

func TestNoAttemptBeginsWithoutPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		begin := time.Now()
		retry := transient.Retry{Patience: transient.Patience, Again: func(error) bool { return true }}
		attempts, err := retry.Do(t.Context(), func() error {
			n++
			<-time.After(50 * time.Second)
			return busyAnswer{}
		})
		require.ErrorIs(t, err, busyAnswer{})
		require.Equal(t, 3, attempts)
		require.Equal(t, 150*time.Second, time.Since(begin))
	})
}
