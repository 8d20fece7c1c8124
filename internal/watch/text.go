package watch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count formats n with a comma between groups of three digits.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Counted is a count with its noun: "1 call", "2,000 calls".
func Counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Duration formats d with at most two units: "85 ms", "1.4 s", "2 min 5 s", "3 h 20 min", "2 d 4
// h".
func Duration(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d us", d.Microseconds())
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < 59500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		return twoUnits(int64(math.Round(d.Seconds())), 60, "min", "s")
	case d < 24*time.Hour-30*time.Second:
		return twoUnits(int64(math.Round(d.Minutes())), 60, "h", "min")
	default:
		return twoUnits(int64(math.Round(d.Hours())), 24, "d", "h")
	}
}

func twoUnits(n, per int64, large, small string) string {
	if n%per == 0 {
		return fmt.Sprintf("%d %s", n/per, large)
	}
	return fmt.Sprintf("%d %s %d %s", n/per, large, n%per, small)
}

// PerSecond formats a rate of items or calls.
func PerSecond(r float64) string {
	switch {
	case !(r > 0) || math.IsInf(r, 0): // also NaN
		return "0/s"
	case r < 10:
		return strconv.FormatFloat(math.Round(r*10)/10, 'f', -1, 64) + "/s"
	default:
		return Count(int64(math.Min(math.Round(r), 1e15))) + "/s"
	}
}

// Percent formats a share of 0 to 1. It rounds down from 100 %, and a share below 0.1 % is "< 0.1
// %": only all is 100 % and only nothing is 0 %.
func Percent(share float64) string {
	p := share * 100
	switch {
	case !(p > 0): // also NaN
		return "0 %"
	case p >= 100:
		return "100 %"
	case p < 0.1:
		return "< 0.1 %"
	case p < 1:
		return strconv.FormatFloat(math.Round(p*10)/10, 'f', -1, 64) + " %"
	case p > 99:
		return strconv.FormatFloat(math.Floor(p*10)/10, 'f', -1, 64) + " %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// firstLine is the first line of a text, at most 200 bytes of it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "") + "..."
	}
	return line
}

// Bounds of texts of errors.
const (
	maxText  = 4 << 10  // of an item
	maxCause = 16 << 10 // of a run
)
