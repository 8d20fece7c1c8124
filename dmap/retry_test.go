package dmap

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryWaits(t *testing.T) {
	boom := errors.New("boom")
	cases := []struct {
		name   string
		retry  Retry
		n      int
		err    error
		chance float64
		wait   time.Duration
		again  bool
	}{
		{"zero retry", Retry{}, 1, boom, 0.5, 0, false},
		{"one attempt", Retry{MaxAttempts: 1}, 1, boom, 0.5, 0, false},
		{"full jitter is a share of the wait", Retry{MaxAttempts: 3}, 1, boom, 0.5, 500 * time.Millisecond, true},
		{"no jitter", Retry{MaxAttempts: 3, NoJitter: true}, 1, boom, 0.5, time.Second, true},
		{"factor", Retry{MaxAttempts: 9, NoJitter: true}, 4, boom, 0, 8 * time.Second, true},
		{"own factor", Retry{MaxAttempts: 9, Initial: time.Minute, Factor: 1, NoJitter: true}, 4, boom, 0, time.Minute, true},
		{"at most Max", Retry{MaxAttempts: 99, Max: 5 * time.Second, NoJitter: true}, 60, boom, 0, 5 * time.Second, true},
		{"no overflow", Retry{MaxAttempts: 5000, NoJitter: true}, 4999, boom, 0, defaultRetryMax, true},
		{"attempts used up", Retry{MaxAttempts: 3}, 3, boom, 0, 0, false},
		{"permanent", Retry{MaxAttempts: 3}, 1, fmt.Errorf("x: %w", Permanent(boom)), 0, 0, false},
		{"panic", Retry{MaxAttempts: 3}, 1, newPanicError("p"), 0, 0, false},
		{"goexit", Retry{MaxAttempts: 3}, 1, ErrGoexit, 0, 0, false},
		{"retry after beats a shorter wait", Retry{MaxAttempts: 3}, 1, fmt.Errorf("x: %w", RetryAfter(boom, 7*time.Second)), 0.9, 7 * time.Second, true},
		{"a longer wait beats retry after", Retry{MaxAttempts: 3, NoJitter: true}, 1, RetryAfter(boom, time.Millisecond), 0, time.Second, true},
		{"negative retry after", Retry{MaxAttempts: 3}, 1, RetryAfter(boom, -time.Hour), 0, 0, true},
		{"rejected", Retry{MaxAttempts: 3, Retryable: func(err error) bool { return !errors.Is(err, boom) }}, 1, boom, 0, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wait, again := c.retry.again(c.n, c.err, c.chance)
			require.Equal(t, c.again, again)
			require.Equal(t, c.wait, wait)
		})
	}
	require.NoError(t, Permanent(nil))
	require.NoError(t, RetryAfter(nil, time.Second))
	require.ErrorIs(t, Permanent(boom), boom)
	require.ErrorIs(t, RetryAfter(boom, 1), boom)
}

type classed struct{ error }

func (classed) Class() string { return "insolvent" }

type labelled string

func (labelled) Error() string   { return "labelled" }
func (l labelled) Class() string { return string(l) }

func TestClassSortsErrors(t *testing.T) {
	for want, err := range map[string]error{
		"":          nil,
		"error":     errors.New("x"),
		"timeout":   fmt.Errorf("x: %w", context.DeadlineExceeded),
		"panic":     fmt.Errorf("x: %w", newPanicError(1)),
		"goexit":    ErrGoexit,
		"stuck":     ErrStuck,
		"read":      &ReadError{errors.New("x")},
		"insolvent": &ReadError{fmt.Errorf("x: %w", classed{errors.New("y")})},
	} {
		require.Equal(t, want, Class(err))
	}
}

func TestAClassIsAShortLine(t *testing.T) {
	for name, want := range map[string]string{
		"": "error", "a\nb\x1b[2J\xff": `a\nb\x1b[2J` + "\uFFFD", strings.Repeat("c", 1<<20): strings.Repeat("c", 64), "not paid": "not paid",
	} {
		require.Equal(t, want, Class(labelled(name)))
		require.Equal(t, want, Class(fmt.Errorf("x: %w", &PanicError{Value: labelled(name)})))
	}
}

func TestPanicWithAnErrorUnwrapsToIt(t *testing.T) {
	defer func() {
		err := newPanicError(recover())
		var re runtime.Error
		require.ErrorAs(t, err, &re)
		require.LessOrEqual(t, len(err.Stack), 16<<10)
	}()
	var m map[string]int
	m["x"] = 1
}
