package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestTheProgramShowsTheRunUntilItsEnd(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "localhost:0", 20))
	require.Contains(t, out.String(), "steer the run at http://127.0.0.1:")
	require.Contains(t, out.String(), "state=succeeded settled=20 total=20 percent=100")
	require.Contains(t, out.String(), `msg="dmap: run ended"`)
}

func TestARunIsSteeredOverHTTP(t *testing.T) {
	started, err := dmap.Start(t.Context(), source.Slice(make([]int, 10)), func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, dmap.Options{MaxConcurrency: 1})
	require.NoError(t, err)
	h := handler(started)
	post := func(query string) (int, dmap.Stats) {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?"+query, nil))
		var stats dmap.Stats
		if recorder.Code == http.StatusOK {
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &stats))
		}
		return recorder.Code, stats
	}
	_, stats := post("concurrency=7")
	require.Equal(t, 7, stats.Limit)
	_, stats = post("pause=true")
	require.True(t, stats.Paused)
	_, stats = post("pause=false")
	require.False(t, stats.Paused)
	for _, wrong := range []string{"concurrency=0", "concurrency=10001", "concurrency=many"} {
		code, _ := post(wrong)
		require.Equal(t, http.StatusBadRequest, code, wrong)
	}
	started.Cancel(nil)
	_, err = started.Wait()
	require.ErrorIs(t, err, dmap.ErrCanceled)
}
