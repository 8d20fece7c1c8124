package lease

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALeaseReturnsWhenItExceedsItsShare(t *testing.T) {
	for _, c := range []struct {
		name            string
		l               Lease
		failed, settled int64
		want            bool
	}{
		{"no limit", Lease{Failures: -1}, 100, 100, false},
		{"no failure is its share", Lease{}, 1, 100, true},
		{"its share", Lease{Failures: 3}, 3, 3, false},
		{"one more", Lease{Failures: 3}, 4, 400, true},
		{"a percentage", Lease{Failures: -1, Percentage: 5}, 5, 100, false},
		{"more than a percentage", Lease{Failures: -1, Percentage: 5}, 6, 100, true},
		{"some above it", Lease{Failures: -1, Percentage: 5, Above: 10}, 15, 100, false},
		{"more than some above it", Lease{Failures: -1, Percentage: 5, Above: 10}, 16, 100, true},
		{"before it has settled many", Lease{Failures: -1, Percentage: 5, Above: 10}, 10, 10, false},
	} {
		require.Equal(t, c.want, c.l.Exceeded(c.failed, c.settled), c.name)
	}
}
