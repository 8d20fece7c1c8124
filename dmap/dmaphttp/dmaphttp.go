// Package dmaphttp makes errors of items from HTTP responses, so that a run waits as the server
// asks.
package dmaphttp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/retryafter"
)

// StatusError is a response that is no success.
type StatusError struct {
	Code   int    // such as 429
	Status string // such as "429 Too Many Requests"
	Method string // of the request; empty if the response does not tell
	Host   string // of the request, without path and query, which may hold secrets
}

func (e *StatusError) Error() string {
	if e.Host == "" {
		return e.Status
	}
	return fmt.Sprintf("%s %s: %s", e.Method, e.Host, e.Status)
}

// HTTPStatusCode returns Code.
func (e *StatusError) HTTPStatusCode() int { return e.Code }

// Error returns the error that a response means for its item, nil for a status below 400. It holds
// a *StatusError, and
//   - after 429 and 503 is made by [dmap.Throttled]: the item is called again, and the whole run
//     slows down;
//   - after another status with the header Retry-After is made by [dmap.RetryAfter].
//
// The wait is that of the header, see [RetryAfter]. Error does not read or close the body.
func Error(r *http.Response) error {
	if r.StatusCode < http.StatusBadRequest {
		return nil
	}
	e := &StatusError{Code: r.StatusCode, Status: r.Status}
	if e.Status == "" {
		e.Status = fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode))
	}
	if r.Request != nil && r.Request.URL != nil {
		e.Method, e.Host = r.Request.Method, r.Request.URL.Host
	}
	wait, asked := RetryAfter(r)
	switch {
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusServiceUnavailable:
		return dmap.Throttled(e, wait)
	case asked:
		return dmap.RetryAfter(e, wait)
	}
	return e
}

// RetryAfter returns the wait that the header Retry-After asks for, in seconds or as a date. A date
// is compared with the header Date, because the clocks may differ. The wait is at most 100 years.
// ok is false if there is no such header, or if it cannot be read, is negative, or names a time
// that has passed.
func RetryAfter(r *http.Response) (wait time.Duration, ok bool) {
	return retryafter.Parse(r.Header.Get("Retry-After"), r.Header.Get("Date"), time.Now())
}
