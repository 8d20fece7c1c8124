package dmap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// logLines collects the lines of a Logger.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
}

// all returns the lines, decoded.
func (l *logLines) all(t *testing.T) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := json.NewDecoder(bytes.NewReader(l.buf.Bytes()))
	for {
		var line map[string]any
		err := d.Decode(&line)
		if err == io.EOF {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, line)
	}
}

// about returns the lines with this message.
func (l *logLines) about(t *testing.T, message string) (lines []map[string]any) {
	t.Helper()
	for _, line := range l.all(t) {
		if line["msg"] == "dmap: "+message {
			lines = append(lines, line)
		}
	}
	return lines
}

type classed string

func (c classed) Error() string { return "error of class " + string(c) }
func (c classed) Class() string { return string(c) }

func TestTheLogNamesStartFailuresAndEnd(t *testing.T) {
	var log logLines
	stats, err := dmap.Map(t.Context(), numbers(1000), func(_ context.Context, i int) (int, error) {
		if i < 95 {
			return 0, dmap.Permanent(classed([]string{"red", "blue"}[i%2]))
		}
		return i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: 100}, Logger: log.logger(slog.LevelInfo)}, new(keep[int]))
	require.NoError(t, err)
	require.EqualValues(t, 95, stats.Failed)
	for _, line := range log.all(t) {
		require.Equal(t, "r", line["run"])
	}
	require.Len(t, log.about(t, "run started"), 1)
	first := log.about(t, "first failure of a class")
	require.Len(t, first, 2)
	require.Equal(t, "red", first[0]["class"])
	require.Equal(t, "n@0", first[0]["item"])
	require.Contains(t, first[0]["error"], "error of class red")
	require.Equal(t, "blue", first[1]["class"])
	near := log.about(t, "failures near the tolerance")
	require.Len(t, near, 2)
	require.EqualValues(t, 50, near[0]["percentOfTolerance"])
	require.EqualValues(t, 90, near[1]["percentOfTolerance"])
	ended := log.about(t, "run ended")
	require.Len(t, ended, 1)
	require.EqualValues(t, 905, ended[0]["succeeded"])
	require.EqualValues(t, 95, ended[0]["failed"])
}

func TestTheLogNamesASinkThatFailsAndWhatTheRunEndedWith(t *testing.T) {
	var log logLines
	_, err := dmap.Map(t.Context(), numbers(1000), double, dmap.Options{Logger: log.logger(slog.LevelInfo)}, dmap.Sink[int](&brokenSink{at: "write"}))
	require.Error(t, err)
	failed := log.about(t, "sink failed")
	require.NotEmpty(t, failed)
	require.Equal(t, "write", failed[0]["op"])
	ended := log.about(t, "run ended with an error")
	require.Len(t, ended, 1)
	require.Contains(t, ended[0]["error"], errBoom.Error())
}

func TestTheLogNamesACommitThatFails(t *testing.T) {
	var log logLines
	d := diary{onAppend: func(int) (bool, error) { return false, errBoom }}
	_, err := dmap.Map(t.Context(), numbers(10), double, dmap.Options{RunID: "r", Logger: log.logger(slog.LevelInfo)}, &d)
	require.ErrorIs(t, err, errBoom)
	failed := log.about(t, "commit failed")
	require.NotEmpty(t, failed)
	require.Contains(t, failed[0]["error"], "commit 0")
}

func TestTheLogOfAResumedRunHasTheCountsSoFar(t *testing.T) {
	var first, second logLines
	d := new(diary)
	ctx, suspend := context.WithCancelCause(t.Context())
	_, err := dmap.Map(ctx, numbers(100), func(_ context.Context, i int) (int, error) {
		if i == 50 {
			suspend(dmap.ErrSuspended)
		}
		return i, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 1, Logger: first.logger(slog.LevelDebug)}, d)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	require.NotEmpty(t, first.about(t, "commit written"))
	_, err = dmap.Map(t.Context(), numbers(100), double, dmap.Options{RunID: "r", Logger: second.logger(slog.LevelInfo)}, d)
	require.NoError(t, err)
	resumed := second.about(t, "run resumed")
	require.Len(t, resumed, 1)
	require.GreaterOrEqual(t, resumed[0]["succeeded"], float64(50))
	require.Empty(t, second.about(t, "run started"))
}

func TestRetriesAreInTheDebugLog(t *testing.T) {
	var log logLines
	opts := dmap.Options{Logger: log.logger(slog.LevelDebug), Retry: dmap.Retry{MaxAttempts: 2, Initial: time.Microsecond}, Tolerance: dmap.Tolerance{Percentage: 100}}
	_, err := dmap.Map(t.Context(), numbers(3), func(context.Context, int) (int, error) { return 0, errBoom }, opts)
	require.NoError(t, err)
	require.Len(t, log.about(t, "call failed, will be retried"), 3)
}

// badHandler panics.
type badHandler struct{ slog.Handler }

func (badHandler) Enabled(context.Context, slog.Level) bool  { panic("enabled") }
func (badHandler) Handle(context.Context, slog.Record) error { panic("handle") }

type panickingError struct{}

func (panickingError) Error() string { panic("error") }
func (panickingError) Class() string { panic("class") }

func TestNeitherABadHandlerNorABadErrorEndsTheRun(t *testing.T) {
	var log logLines
	for _, logger := range []*slog.Logger{slog.New(badHandler{slog.DiscardHandler}), log.logger(slog.LevelDebug)} {
		stats, err := dmap.Map(t.Context(), numbers(100), func(_ context.Context, i int) (int, error) {
			if i%2 == 0 {
				return 0, dmap.Permanent(panickingError{})
			}
			return i, nil
		}, dmap.Options{Tolerance: dmap.Tolerance{Count: 50}, Logger: logger})
		require.NoError(t, err)
		require.EqualValues(t, 50, stats.Failed)
	}
	require.Len(t, log.about(t, "first failure of a class"), 1)
}

func TestALongErrorIsShortenedInTheLog(t *testing.T) {
	var log logLines
	_, err := dmap.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) {
		return 0, dmap.Permanent(errors.New(strings.Repeat("x", 1<<20)))
	}, dmap.Options{Logger: log.logger(slog.LevelInfo)})
	require.Error(t, err)
	for _, line := range log.all(t) {
		for _, value := range line {
			if text, ok := value.(string); ok {
				require.Less(t, len(text), 2<<10)
			}
		}
	}
}
