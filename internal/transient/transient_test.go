package transient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/transient"
)

// apiError and statusError have the methods of the AWS SDK's errors.
type apiError string

func (e apiError) Error() string     { return string(e) }
func (e apiError) ErrorCode() string { return string(e) }

type statusError int

func (e statusError) Error() string       { return fmt.Sprint("status ", int(e)) }
func (e statusError) HTTPStatusCode() int { return int(e) }

// withCode is err as gocloud returns it for a driver that maps it to code.
func withCode(t *testing.T, code gcerrors.ErrorCode, err error) error {
	t.Helper()
	inner := memblob.OpenBucket(nil)
	defer inner.Close()
	bucket := dmaptest.NewFaultBucket(t, inner)
	bucket.Inject(dmaptest.Fault{Op: dmaptest.OpOpen, Code: code, Err: err})
	_, failed := bucket.NewReader(t.Context(), "key", nil)
	require.Equal(t, code, gcerrors.Code(failed))
	return failed
}

func TestErrorsAreClassified(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	_, timedOut := net.DialTimeout("tcp", "127.0.0.1:1", 1)
	require.Error(t, timedOut)
	for name, test := range map[string]struct {
		err  error
		want transient.Class
	}{
		"503 SlowDown":                  {errors.Join(apiError("SlowDown"), statusError(503)), transient.Transient},
		"SlowDown without a status":     {apiError("SlowDown"), transient.Transient},
		"429":                           {statusError(429), transient.Transient},
		"408":                           {statusError(408), transient.Transient},
		"400 RequestTimeout":            {errors.Join(apiError("RequestTimeout"), statusError(400)), transient.Transient},
		"409 ConditionalRequest":        {errors.Join(apiError("ConditionalRequestConflict"), statusError(409)), transient.Transient},
		"500 after the SDK's attempts":  {fmt.Errorf("attempt 3: %w", statusError(500)), transient.Transient},
		"504":                           {statusError(504), transient.Transient},
		"501":                           {statusError(501), transient.Permanent},
		"400 ExpiredToken":              {errors.Join(apiError("ExpiredToken"), statusError(400)), transient.Permanent},
		"403 without a code":            {statusError(403), transient.Permanent},
		"301 to another region":         {statusError(301), transient.Permanent},
		"200 with half an answer":       {statusError(200), transient.Unexplained},
		"unknown code, no status":       {apiError("ExpiredToken"), transient.Unexplained},
		"reset":                         {fmt.Errorf("read: %w", syscall.ECONNRESET), transient.Transient},
		"broken pipe":                   {syscall.EPIPE, transient.Transient},
		"connection refused":            {&url.Error{Op: "Get", URL: "https://store", Err: refused}, transient.Transient},
		"short body":                    {fmt.Errorf("10 of 20 bytes: %w", io.ErrUnexpectedEOF), transient.Transient},
		"timeout of the network":        {timedOut, transient.Transient},
		"deadline of the SDK":           {context.DeadlineExceeded, transient.Transient},
		"gocloud: resource exhausted":   {withCode(t, gcerrors.ResourceExhausted, nil), transient.Transient},
		"gocloud: internal":             {withCode(t, gcerrors.Internal, nil), transient.Transient},
		"gocloud: unknown":              {withCode(t, gcerrors.Unknown, nil), transient.Unexplained},
		"gocloud: unknown SlowDown":     {withCode(t, gcerrors.Unknown, apiError("SlowDown")), transient.Transient},
		"gocloud: unknown 403":          {withCode(t, gcerrors.Unknown, statusError(403)), transient.Permanent},
		"gocloud: not found":            {withCode(t, gcerrors.NotFound, nil), transient.Permanent},
		"gocloud: denied":               {withCode(t, gcerrors.PermissionDenied, nil), transient.Permanent},
		"gocloud: precondition":         {withCode(t, gcerrors.FailedPrecondition, nil), transient.Permanent},
		"precondition and then a reset": {errors.Join(withCode(t, gcerrors.FailedPrecondition, nil), syscall.ECONNRESET), transient.Transient},
		"full disk":                     {syscall.ENOSPC, transient.Unexplained},
		"canceled":                      {context.Canceled, transient.Permanent},
		"canceled, with a message":      {fmt.Errorf("list: %w", context.Canceled), transient.Permanent},
		"no explanation":                {errors.New("it broke"), transient.Unexplained},
	} {
		require.Equal(t, test.want, transient.Classify(test.err), name)
	}
}
