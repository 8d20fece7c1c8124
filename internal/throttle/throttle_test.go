package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/retryafter"
	"github.com/go-dmap/dmap/internal/throttle"
)

// The errors of SDKs, as far as their shape counts.
type (
	smithyAPI  struct{ code string }
	smithyHTTP struct{ Response *smithyResponse }
	gax        struct{ status int }
	googleapi  struct {
		Code   int
		Header http.Header
	}
	azcore struct {
		StatusCode  int
		RawResponse *http.Response
	}
	grpcCode   uint32
	grpcStatus struct{ code grpcCode }
	grpcError  struct{ s *grpcStatus }
	connect    struct{ code grpcCode }

	smithyResponse struct{ *http.Response }
)

func (e smithyAPI) Error() string     { return e.code }
func (e smithyAPI) ErrorCode() string { return e.code }
func (e smithyHTTP) Error() string    { return "smithy" }
func (e smithyHTTP) HTTPStatusCode() int {
	if e.Response == nil || e.Response.Response == nil {
		return 0
	}
	return e.Response.StatusCode
}
func (e gax) Error() string        { return "gax" }
func (e gax) HTTPCode() int        { return e.status }
func (e *googleapi) Error() string { return "googleapi" }
func (e *azcore) Error() string    { return "azcore" }
func (c grpcCode) String() string {
	return map[grpcCode]string{8: "ResourceExhausted", 5: "NotFound", 108: "resource_exhausted"}[c]
}

func (s *grpcStatus) Code() grpcCode        { return s.code }
func (e grpcError) Error() string           { return "grpc" }
func (e grpcError) GRPCStatus() *grpcStatus { return e.s }
func (e connect) Error() string             { return "connect" }
func (e connect) Code() grpcCode            { return e.code }

// odd has methods and fields of the names above, and of other types.
type odd struct {
	Code       func()
	StatusCode string
	Header     map[string]int
	Response   any
}

func (odd) Error() string          { return "odd" }
func (odd) GRPCStatus(int) error   { return nil }
func (odd) ErrorCode() (int, bool) { return 0, false }

func exhausted503(t *testing.T) error {
	bucket := dmaptest.NewFaultBucket(t, memblob.OpenBucket(nil))
	t.Cleanup(func() { _ = bucket.Close() })
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Sticky: true, Code: gcerrors.ResourceExhausted})
	_, err := bucket.ReadAll(context.Background(), "x")
	require.Equal(t, gcerrors.ResourceExhausted, gcerrors.Code(err))
	return err
}

func TestAnswersByWhichServersThrottleAreRecognized(t *testing.T) {
	after := http.Header{"Retry-After": {"7"}}
	busy := http.Response{StatusCode: http.StatusServiceUnavailable, Header: after}
	broken := http.Response{StatusCode: http.StatusInternalServerError, Header: after}
	for _, test := range []struct {
		err   error
		is    bool
		asked time.Duration
	}{
		{smithyAPI{"SlowDown"}, true, 0},
		{smithyAPI{"ProvisionedThroughputExceededException"}, true, 0},
		{smithyAPI{"LimitExceededException"}, false, 0},
		{smithyAPI{"NoSuchKey"}, false, 0},
		{smithyHTTP{&smithyResponse{&busy}}, true, 7 * time.Second},
		{smithyHTTP{&smithyResponse{&broken}}, false, 7 * time.Second},
		{smithyHTTP{&smithyResponse{}}, false, 0},
		{smithyHTTP{}, false, 0},
		{gax{429}, true, 0},
		{gax{502}, false, 0},
		{&googleapi{Code: 429, Header: after}, true, 7 * time.Second},
		{&googleapi{Code: 404}, false, 0},
		{(*googleapi)(nil), false, 0},
		{&azcore{StatusCode: 503, RawResponse: &busy}, true, 7 * time.Second},
		{&azcore{StatusCode: 409}, false, 0},
		{grpcError{&grpcStatus{8}}, true, 0},
		{grpcError{&grpcStatus{5}}, false, 0},
		{connect{108}, true, 0},
		{connect{5}, false, 0},
		{exhausted503(t), true, 0},
		{odd{}, false, 0},
		{&odd{Response: 3}, false, 0},
		{(*odd)(nil), false, 0},
		{errors.New("503"), false, 0},
		{waits(-time.Second), false, 0},
		{waits(1<<63 - 1), false, retryafter.Longest},
		{fmt.Errorf("x: %w", errors.Join(errors.New("a"), fmt.Errorf("y: %w", gax{503}), waits(time.Second))), true, time.Second},
	} {
		require.Equal(t, test.is, throttle.Is(test.err), "%T %v", test.err, test.err)
		require.Equal(t, test.asked, throttle.Asked(test.err, time.Now()), "%T %v", test.err, test.err)
		if test.is || test.asked > 0 {
			require.False(t, throttle.Silent(test.err), "%T", test.err)
		}
	}
}

// quiet is an error without the methods and fields that Is and Asked look for.
type quiet struct{ Reason string }

func (*quiet) Error() string { return "quiet" }

func TestErrorsWithoutAnAnswerOfAServerAreSilent(t *testing.T) {
	for range 2 { // the answers are kept
		for _, err := range []error{&quiet{}, (*quiet)(nil), errors.New("x"), errors.Join(&quiet{}, fmt.Errorf("y: %w", &quiet{}))} {
			require.True(t, throttle.Silent(err), "%T", err)
			require.False(t, throttle.Is(err), "%T", err)
		}
		for _, err := range []error{gax{500}, smithyAPI{}, connect{}, grpcError{}, &odd{}, waits(0), fmt.Errorf("y: %w", waits(0))} {
			require.False(t, throttle.Silent(err), "%T", err)
		}
	}
}

type waits time.Duration

func (w waits) Error() string             { return "waits" }
func (w waits) RetryAfter() time.Duration { return time.Duration(w) }
