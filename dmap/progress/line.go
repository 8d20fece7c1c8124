package progress

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// progressLine formats the state of a running run in ASCII. The most important fields come first,
// because a narrow terminal cuts the end.
func progressLine(s dmap.Stats, total int64, perSecond float64) string {
	var fields []string
	add := func(format string, args ...any) { fields = append(fields, fmt.Sprintf(format, args...)) }
	done := settled(s)
	if total > 0 {
		add("%s/%s items (%d %%)", groupDigits(done), groupDigits(total), min(100, done*100/total))
	} else {
		add("%s items", groupDigits(done))
	}
	add("%s/s", formatRate(perSecond))
	if left := total - done; left > 0 && perSecond > 0 {
		add("%v left", timeLeft(left, perSecond))
	}
	if s.Failed > 0 {
		add("%s failed", groupDigits(s.Failed))
	}
	add("%d/%d calls", s.InFlight, s.Limit)
	if s.Waiting > 0 {
		add("%d waiting", s.Waiting)
	}
	if s.Stuck > 0 {
		add("%d stuck", s.Stuck)
	}
	if s.Paused {
		add("paused")
	}
	if s.ReadingPaused {
		add("reading paused: waiting retries")
	}
	return strings.Join(fields, "  ")
}

// finalLine formats the final counts of a run.
func finalLine(s dmap.Stats) string {
	fields := []string{fmt.Sprintf("%s items in %v", groupDigits(settled(s)), s.Elapsed.Round(10*time.Millisecond))}
	for _, count := range []struct {
		n    int64
		what string
	}{{s.Succeeded, "succeeded"}, {s.Failed, "failed"}, {s.Skipped, "skipped"}, {s.Held, "held"}, {s.Pending, "pending"}} {
		if count.n > 0 {
			fields = append(fields, groupDigits(count.n)+" "+count.what)
		}
	}
	return strings.Join(fields, "  ")
}

// timeLeft returns whole seconds, at least one and at most 9e9: more would overflow a Duration.
func timeLeft(items int64, perSecond float64) time.Duration {
	seconds := min(max(1, math.Round(float64(items)/perSecond)), 9e9)
	return time.Duration(seconds) * time.Second
}

func settled(s dmap.Stats) int64 { return s.Succeeded + s.Failed + s.Skipped }

func formatRate(r float64) string {
	if r < 10 {
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return groupDigits(int64(r))
}

// groupDigits formats n with a comma between groups of three digits.
func groupDigits(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
