package dmapotel

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// syncBuffer is a buffer for many goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func TestLinesHaveTheSpanOfTheirRunOrCall(t *testing.T) {
	b := newBackend(t)
	var out syncBuffer
	logger := slog.New(LogHandler(slog.NewJSONHandler(&out, nil)))
	_, err := inBatches(t, 5, dmap.Options{RunID: "night", Logger: logger, Observer: b.observer()}, func(ctx context.Context, _ []dmap.Item[int]) error {
		logger.With("a", 1).InfoContext(ctx, "in the function")
		return nil
	})
	require.NoError(t, err)
	logger.Info("outside")
	run, call := b.one(t, SpanRun).SpanContext(), b.one(t, SpanBatch).SpanContext()
	want := map[string]string{
		"dmap: run started": run.SpanID().String(), "dmap: run ended": run.SpanID().String(), "in the function": call.SpanID().String(),
	}
	for text := range strings.Lines(out.buf.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		message := line["msg"].(string)
		if message == "outside" {
			require.NotContains(t, line, "trace_id")
			continue
		}
		require.Equal(t, run.TraceID().String(), line["trace_id"], message)
		require.Equal(t, want[message], line["span_id"], message)
		delete(want, message)
	}
	require.Empty(t, want)
}

func TestTheLogHandlerPassesOnGroupsAndLevels(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(LogHandler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	require.False(t, logger.Enabled(t.Context(), slog.LevelInfo))
	logger.WithGroup("g").With("k", 1).Warn("x", "y", 2)
	require.Contains(t, out.String(), "g.k=1 g.y=2")
}
