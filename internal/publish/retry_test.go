package publish_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/publish"
)

// apiError and statusError have the methods of SDK errors.
type apiError string

func (e apiError) Error() string     { return string(e) }
func (e apiError) ErrorCode() string { return string(e) }

type statusError int

func (e statusError) Error() string       { return fmt.Sprint("status ", int(e)) }
func (e statusError) HTTPStatusCode() int { return int(e) }

// retryAfter is an error whose store asks for a pause.
type retryAfter time.Duration

func (e retryAfter) Error() string             { return "later" }
func (e retryAfter) ErrorCode() string         { return "SlowDown" }
func (e retryAfter) RetryAfter() time.Duration { return time.Duration(e) }

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestTransientErrorsOfAWriteAreRetried(t *testing.T) {
	for _, cause := range []error{
		apiError("SlowDown"), apiError("ConditionalRequestConflict"), statusError(429), statusError(409), statusError(503),
		fmt.Errorf("read: %w", syscall.ECONNRESET), syscall.EPIPE, io.ErrUnexpectedEOF, timeout{},
	} {
		synctest.Test(t, func(t *testing.T) {
			bucket := faulty(t)
			for n := range 2 {
				bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Nth: n + 1, Err: cause})
			}
			begin := time.Now()
			require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, []byte("x")), "%v", cause)
			require.Equal(t, 3, bucket.Calls(dmaptest.OpCreate))
			waited := time.Since(begin) // 250 ms and 500 ms, each between half and all
			require.GreaterOrEqual(t, waited, 375*time.Millisecond)
			require.LessOrEqual(t, waited, 750*time.Millisecond)
		})
	}
}

func TestWritesGiveUpAfterFourAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := faulty(t)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Code: gcerrors.ResourceExhausted})
		err := publish.Create(t.Context(), bucket.Bucket, "k", text, []byte("x"))
		require.ErrorIs(t, err, dmaptest.ErrInjected)
		require.ErrorContains(t, err, `create "k" (4 attempts)`)
		require.Equal(t, 4, bucket.Calls(dmaptest.OpCreate))
	})
}

func TestAWriteOutlastsAStoreThatThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := faulty(t)
		for n := range 9 {
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Nth: n + 1, Err: statusError(503)})
		}
		require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, []byte("x")))
		require.Equal(t, 10, bucket.Calls(dmaptest.OpCreate))

		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Err: statusError(429)})
		begin := time.Now()
		require.ErrorContains(t, publish.Create(t.Context(), bucket.Bucket, "l", text, []byte("x")), "status 429")
		require.InDelta(t, 125, time.Since(begin).Seconds(), 6, "two minutes, and at most the last wait")
	})
}

func TestOtherErrorsOfAWriteAreNotRetried(t *testing.T) {
	for _, fault := range []dmaptest.Fault{
		{Op: dmaptest.OpClose}, // unexplained
		{Op: dmaptest.OpClose, Code: gcerrors.PermissionDenied},
		{Op: dmaptest.OpCreate, Code: gcerrors.NotFound},
		{Op: dmaptest.OpClose, Err: apiError("ExpiredToken")},
		{Op: dmaptest.OpClose, Err: statusError(403)},
		{Op: dmaptest.OpClose, Err: syscall.ENOSPC},
	} {
		bucket := faulty(t)
		fault.Sticky = true
		hits := bucket.Inject(fault)
		require.ErrorIs(t, publish.Replace(t.Context(), bucket.Bucket, "k", text, []byte("x")), dmaptest.ErrInjected)
		require.Equal(t, 1, hits())
	}
}

func TestStoreMayAskForAPauseOfUpToAMinute(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{5 * time.Second: 5 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			bucket := faulty(t)
			bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Err: retryAfter(asked)})
			begin := time.Now()
			require.NoError(t, publish.Replace(t.Context(), bucket.Bucket, "k", text, []byte("x")))
			require.Equal(t, want, time.Since(begin))
		})
	}
}

func TestStoreThatNeverAnswersIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := faulty(t)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Kind: dmaptest.Stall})
		begin := time.Now()
		err := publish.Create(t.Context(), bucket.Bucket, "k", text, make([]byte, 1<<20))
		require.ErrorContains(t, err, `create "k" (2 attempts): the store does not answer within 1m16s`)
		require.InDelta(t, 2*76, time.Since(begin).Seconds(), 2)

		bucket.Heal()
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpCreate, Kind: dmaptest.Stall})
		require.NoError(t, publish.Create(t.Context(), bucket.Bucket, "k", text, nil), "a single stall is retried")

		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Sticky: true, Kind: dmaptest.Stall})
		_, err = publish.Read(t.Context(), bucket.Bucket, "k", 100)
		require.ErrorContains(t, err, `read "k" (2 attempts): the store does not answer within 1m0s`)
	})
}

func TestWaitingForARetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := faulty(t)
		bucket.Inject(dmaptest.Fault{Op: dmaptest.OpClose, Sticky: true, Err: retryAfter(time.Minute)})
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("shutting down")
		timer := time.AfterFunc(time.Second, func() { cancel(why) })
		defer timer.Stop()
		begin := time.Now()
		err := publish.Create(ctx, bucket.Bucket, "k", text, []byte("x"))
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, dmaptest.ErrInjected, "and the error that it was to retry")
		require.Equal(t, time.Second, time.Since(begin))
	})
}
