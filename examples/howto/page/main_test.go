package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start")) // of gocloud
}

func TestThePageShowsTheRunAndRedrivesItsFailures(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines, w := io.Pipe()
	defer w.Close() // ends the reading of its lines
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, w, "localhost:0", 600) }()
	buffer := make([]byte, 1000)
	n, err := lines.Read(buffer)
	require.NoError(t, err)
	go io.Copy(io.Discard, lines)
	url := regexp.MustCompile(`http://\S+`).FindString(string(buffer[:n]))

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	fetch := func(method, path, body string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(content)
	}
	failed := func(want float64) func() bool {
		return func() bool {
			var run struct {
				Status     string
				ItemCounts map[string]float64
			}
			_ = json.Unmarshal([]byte(fetch(http.MethodGet, "api/runs/nightly", "")), &run)
			return run.Status == "SUCCEEDED" && run.ItemCounts["failed"] == want
		}
	}
	require.Eventually(t, failed(5), 20*time.Second, 50*time.Millisecond)
	require.Contains(t, fetch(http.MethodGet, "?run=nightly", ""), "Succeeded, with 5 tolerated failures")
	require.Contains(t, fetch(http.MethodPost, "api/runs/nightly/redrive", "{}"), "has begun")
	require.Eventually(t, failed(3), 20*time.Second, 50*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	client.CloseIdleConnections()
}
