// Package conns configures HTTP transports to keep one connection for each concurrent call.
package conns

import (
	"fmt"
	"net/http"
)

// defaultCalls is the number of concurrent calls if the options do not set it.
const defaultCalls = 1000

// Calls returns n, or the default if n is 0.
func Calls(n int) (int, error) {
	switch {
	case n < 0:
		return 0, fmt.Errorf("options: Calls %d is negative", n)
	case n == 0:
		return defaultCalls, nil
	}
	return n, nil
}

// Widen lets t keep enough connections for calls concurrent requests.
func Widen(t *http.Transport, calls int) {
	t.MaxIdleConns = 0 // no limit over all hosts
	// Twice the calls: a connection becomes idle only after its body has been read, and by then
	// the call may have started its next request.
	t.MaxIdleConnsPerHost = 2 * calls
	if t.MaxConnsPerHost > 0 {
		t.MaxConnsPerHost = max(t.MaxConnsPerHost, 2*calls)
	}
}

// Transport returns a widened copy of http.DefaultTransport.
func Transport(calls int) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	Widen(t, calls)
	return t
}
