// Package conns gives HTTP transports a connection for each call.
package conns

import (
	"fmt"
	"net/http"
)

// defaultCalls is for how many calls at once there are connections, if nothing else is said.
const defaultCalls = 1000

// Calls is n, or the default for 0.
func Calls(n int) (int, error) {
	switch {
	case n < 0:
		return 0, fmt.Errorf("options: Calls %d is negative", n)
	case n == 0:
		return defaultCalls, nil
	}
	return n, nil
}

// Widen lets t keep enough connections for calls requests at once.
func Widen(t *http.Transport, calls int) {
	t.MaxIdleConns = 0 // no limit over all hosts
	// More than calls: a connection comes back when a body has been read, and by then the call has begun its next request.
	t.MaxIdleConnsPerHost = 2 * calls
	if t.MaxConnsPerHost > 0 {
		t.MaxConnsPerHost = max(t.MaxConnsPerHost, 2*calls)
	}
}

// Transport is http.DefaultTransport, widened.
func Transport(calls int) *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	Widen(t, calls)
	return t
}
