// Package retryafter reads the waits that servers ask for.
package retryafter

import (
	"math"
	"strings"
	"time"
)

// Longest is the result for longer waits, and for numbers that are too large.
const Longest = 100 * 365 * 24 * time.Hour

// Parse returns the wait of a Retry-After header: a number of seconds, or an HTTP date. A date is
// compared with date, the Date header of the same answer, because the clock of the server may
// differ from ours, and with now if that is no date. The wait is not negative, and at most Longest.
// ok is false if the header says nothing of this kind, or names a time that has passed.
//
// Seconds may have decimals, which some servers send.
func Parse(header, date string, now time.Time) (wait time.Duration, ok bool) {
	header = strings.TrimSpace(header)
	if wait, ok := seconds(header); ok {
		return wait, wait > 0
	}
	at, ok := httpDate(header)
	if !ok {
		return 0, false
	}
	if sent, ok := httpDate(strings.TrimSpace(date)); ok {
		now = sent
	}
	wait = min(at.Sub(now), Longest)
	return max(wait, 0), wait > 0
}

// seconds parses digits, perhaps with decimals. Any number of digits is a number.
func seconds(s string) (time.Duration, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole == "" || !digits(whole) || !digits(decimals) {
		return 0, false
	}
	n := 0.
	for _, c := range whole {
		n = n*10 + float64(c-'0')
	}
	for i, c := range decimals[:min(len(decimals), 9)] {
		n += float64(c-'0') * math.Pow10(-i-1)
	}
	if n >= Longest.Seconds() {
		return Longest, true
	}
	return time.Duration(math.Ceil(n*1000)) * time.Millisecond, true // not less than asked
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// httpDate parses the three forms of dates of RFC 9110.
func httpDate(s string) (time.Time, bool) {
	for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
