package dmaphttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaphttp"
	"github.com/go-dmap/dmap/source"
)

// errorOf is the error of a response.
func errorOf(code int, header map[string]string) error {
	r := http.Response{
		StatusCode: code, Header: http.Header{},
		Request: &http.Request{Method: http.MethodPost, URL: &url.URL{Host: "api.example", Path: "/secret", RawQuery: "key=secret"}},
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return dmaphttp.Error(&r)
}

func TestEachStatusHasItsError(t *testing.T) {
	after := func(value string) map[string]string { return map[string]string{"Retry-After": value} }
	dates := map[string]string{"Retry-After": "Wed, 21 Oct 2015 07:28:10 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
	for _, test := range []struct {
		code      int
		header    map[string]string
		throttled bool
		wait      time.Duration
	}{
		{429, nil, true, 0},
		{429, after("7"), true, 7 * time.Second},
		{503, dates, true, 10 * time.Second},
		{503, after("-7"), true, 0},
		{503, after("soon"), true, 0},
		{500, nil, false, 0},
		{500, after("3"), false, 3 * time.Second},
		{404, nil, false, 0},
	} {
		err := errorOf(test.code, test.header)
		require.Error(t, err)
		require.Equal(t, test.throttled, dmap.IsThrottled(err))
		var status *dmaphttp.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, test.code, status.HTTPStatusCode())
		var asks interface{ RetryAfter() time.Duration }
		if errors.As(err, &asks) {
			require.Equal(t, test.wait, asks.RetryAfter())
		} else {
			require.Zero(t, test.wait)
		}
		require.NotContains(t, err.Error(), "secret")
		require.Contains(t, err.Error(), "POST api.example: "+fmt.Sprint(test.code))
	}
	for _, code := range []int{200, 204, 304} {
		require.NoError(t, errorOf(code, after("7")))
	}
	r := http.Response{StatusCode: http.StatusTooManyRequests, Status: "429 Slow"}
	require.EqualError(t, dmaphttp.Error(&r), "429 Slow", "without a request")
}

func ExampleError() {
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if busy {
			busy = false
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	stats, err := dmap.Map(context.Background(), source.Slice([]string{"a", "b"}), func(ctx context.Context, name string) (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/"+name, nil)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		return response.StatusCode, dmaphttp.Error(response)
	}, dmap.Options{MaxConcurrency: 1, Rate: dmap.Rate{Calls: 100}})
	fmt.Println(stats.Succeeded, stats.Calls, stats.Throttled, err)
	// Output: 2 3 1 <nil>
}
