// Package transient classifies the errors of object stores and paces the attempts that follow them:
// one classifier, one backoff and one loop for all packages that repeat a request.
//
// Each caller has its own number of attempts: a listing of millions of objects may try for longer
// than a single write. The SDKs of the clouds retry too, but for about a second only, and not all
// errors. The engine has a retry of its own (dmap.Retry): users configure it, and it waits without
// a slot.
package transient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/go-dmap/dmap/internal/httpstatus"
)

// Class says whether the same request may succeed if it is sent again.
type Class int

const (
	// Permanent errors come again: the store refused the request (not found, denied, invalid), or
	// ctx was canceled.
	Permanent Class = iota
	// Unexplained errors carry neither a status nor a code that gocloud knows. Whether another
	// attempt is worth its time depends on the request, so each caller decides.
	Unexplained
	// Transient errors pass: the store is busy or broken for a moment, or the connection failed.
	Transient
)

// Classify returns the class of err, which must not be nil. The caller checks its own context
// first: a deadline that passed counts as a time limit of the driver or the SDK.
//
// gocloud maps most answers of a store to gcerrors.Unknown. Classify therefore also looks for the
// methods of SDK errors in the chain. Signs that err is transient outweigh all others, because one
// chain may hold several errors: a refused write, for example, and the connection that broke when
// the object was read back.
func Classify(err error) Class {
	passing, refused := statuses(err)
	code := gcerrors.Code(err)
	switch {
	case throttled(err), passing, passingCode(code), broken(err):
		return Transient
	case refused, code != gcerrors.Unknown, errors.Is(err, context.Canceled):
		return Permanent
	default:
		return Unexplained
	}
}

// throttled reports whether the store names a reason that passes. The codes are those of S3 and of
// the services whose error format it shares.
func throttled(err error) bool {
	var api interface{ ErrorCode() string } // smithy.APIError, without an import of the SDK
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "SlowDown", "TooManyRequests", "TooManyRequestsException", "Throttling", "ThrottlingException",
		"RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "InternalError",
		"ConditionalRequestConflict", "OperationAborted": // of two writes to one key at once
		return true
	default:
		return false
	}
}

// statuses reports whether err carries the HTTP status of an answer that passes, and of one that
// refuses the request.
func statuses(err error) (passing, refused bool) {
	walk(err, func(err error) bool {
		if status := httpstatus.Of(err); passingStatus(status) {
			passing = true
		} else if status >= 300 {
			refused = true
		}
		return !passing
	})
	return passing, refused
}

func passingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented: // the answer of some S3-compatible stores to a condition
		return false
	default:
		return status >= 500
	}
}

func passingCode(code gcerrors.ErrorCode) bool {
	switch code {
	case gcerrors.ResourceExhausted, gcerrors.Internal, gcerrors.DeadlineExceeded:
		return true
	default:
		return false
	}
}

// broken reports whether the connection failed, not the request.
func broken(err error) bool {
	for _, lost := range []error{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EPIPE, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// mostAsked bounds the wait that a store may ask for.
const mostAsked = time.Minute

// askedWait returns how long the store asks the client to wait, at most mostAsked; 0 if it does not
// ask.
func askedWait(err error) time.Duration {
	var after interface{ RetryAfter() time.Duration }
	if errors.As(err, &after) {
		return min(after.RetryAfter(), mostAsked)
	}
	return 0
}
