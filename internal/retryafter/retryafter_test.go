package retryafter

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBothFormsOfRetryAfterAreRead(t *testing.T) {
	now := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	const date, later = "Thu, 26 Nov 2026 10:00:00 GMT", "Thu, 26 Nov 2026 10:00:30 GMT"
	for _, test := range []struct {
		header, date string
		want         time.Duration
		ok           bool
	}{
		{"1", "", time.Second, true},
		{" 120 ", date, 2 * time.Minute, true},
		{"0.5", "", 500 * time.Millisecond, true},
		{"1.9999999999999", "", 2 * time.Second, true},
		{"0", "", 0, false},
		{"00", "", 0, false},
		{"-1", "", 0, false},
		{"+1", "", 0, false},
		{"1e3", "", 0, false},
		{"NaN", "", 0, false},
		{"Inf", "", 0, false},
		{"0x10", "", 0, false},
		{".5", "", 0, false},
		{"1 second", "", 0, false},
		{"", "", 0, false},
		{"soon", "", 0, false},
		{"99999999999", "", Longest, true},
		{"9223372036854775808", "", Longest, true},
		{strings.Repeat("9", 10_000), "", Longest, true},
		{"1." + strings.Repeat("9", 10_000), "", 2 * time.Second, true},
		{later, date, 30 * time.Second, true},
		{"Thursday, 26-Nov-26 10:00:30 GMT", date, 30 * time.Second, true},
		{"Thu Nov 26 10:00:30 2026", date, 30 * time.Second, true},
		{"Thu, 26 Nov 2026 14:00:05 GMT", "", 5 * time.Second, true},
		{"Thu, 26 Nov 2026 14:00:05 GMT", "no date", 5 * time.Second, true},
		{date, later, 0, false},
		{date, "", 0, false},
		{"Fri, 31 Dec 9999 23:59:59 GMT", date, Longest, true},
		{"Thu, 01 Jan 1970 00:00:00 GMT", date, 0, false},
		{"Thu, 32 Nov 2026 10:00:30 GMT", date, 0, false},
	} {
		got, ok := Parse(test.header, test.date, now)
		require.Equal(t, test.want, got, "%.40q %q", test.header, test.date)
		require.Equal(t, test.ok, ok, "%.40q %q", test.header, test.date)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1", "")
	f.Add("Thu, 26 Nov 2026 10:00:30 GMT", "Thu, 26 Nov 2026 10:00:00 GMT")
	f.Fuzz(func(t *testing.T, header, date string) {
		wait, ok := Parse(header, date, time.Unix(1e9, 0))
		require.Equal(t, ok, wait > 0)
		require.LessOrEqual(t, wait, Longest)
		require.GreaterOrEqual(t, wait, time.Duration(0))
	})
}
