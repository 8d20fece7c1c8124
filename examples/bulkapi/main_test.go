package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnlyFailedContactsAreSentAgainAfterRetryAfter(t *testing.T) {
	var out bytes.Buffer
	begin := time.Now()
	require.NoError(t, run(t.Context(), &out, new(server), nil))
	require.Equal(t, `item@499: "person499" is not an email address
item@999: "person999" is not an email address
item@1499: "person1499" is not an email address
item@1999: "person1999" is not an email address
2000 contacts: 1996 sent, 4 refused
the server received 1987 contacts once and 13 twice; it throttled requests: true
`, out.String())
	require.GreaterOrEqual(t, time.Since(begin), time.Second, "Retry-After: 1")
}

func TestPermanentErrorsAreNotRetried(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		reply    string
		requests int64
		want     string
	}{
		"bad request":     {http.StatusBadRequest, "", 1, "server: 400 Bad Request"},
		"bad gateway":     {http.StatusBadGateway, "", 2, "server: 502 Bad Gateway"},
		"throttled":       {http.StatusTooManyRequests, "", 2, "server: 429 Too Many Requests"},
		"no JSON":         {http.StatusOK, "<html>", 2, "decode reply: invalid character '<'"},
		"too few replies": {http.StatusOK, `[]`, 1, "0 replies to 1 contacts"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.reply)
			}))
			defer api.Close()
			to := client{http: api.Client(), url: api.URL}
			_, err := dmap.MapBatch(t.Context(), source.Slice(contacts(1)), batch.Limits{Items: 1}, to.send,
				dmap.Options{Retry: dmap.Retry{MaxAttempts: 2, Initial: time.Millisecond}})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.requests, requests.Load())
		})
	}
}
