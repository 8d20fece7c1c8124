package tolerance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
)

func TestASampleIsThatOfTheCounts(t *testing.T) {
	n := journal.Counts{Read: 100, Succeeded: 60, Failed: 30, Redriven: 10, Skipped: 8, Held: 5, Released: 3, Gone: 4}
	require.Equal(t, Sample{Failed: 20, Settled: 80, Held: 2, Taken: 92}, SampleOf(n, nil))
	others := Redrive{Failed: 7, Succeeded: 50, Waiting: 1, Gone: 3}
	want := Sample{Failed: 20, Settled: 80, Held: 2, Taken: 92, Again: true, Redrive: others}
	want.Redrive.Gone = 1
	require.Equal(t, want, SampleOf(n, &others))
	require.EqualValues(t, 3, others.Gone)
}
