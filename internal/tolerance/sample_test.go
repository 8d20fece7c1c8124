package tolerance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASampleIsJudgedByTheItemsThatAreKnown(t *testing.T) {
	again := Redrive{Failed: 5, Succeeded: 80, Waiting: 3, Gone: 1}
	for _, c := range []struct {
		name       string
		s          Sample
		failed, of int64
		all        bool
	}{
		{"by settled items while the source is read", Sample{Failed: 2, Settled: 9, Taken: 20}, 2, 9, false},
		{"by all items once it has ended", Sample{Failed: 2, Settled: 9, Taken: 20, ReadAll: true, Ended: true}, 2, 20, true},
		{"without the others in a redrive", Sample{Failed: 8, Settled: 90, Taken: 100, Again: true, Redrive: again}, 2, 12, false},
		{"with unsettled items left", Sample{Failed: 8, Settled: 90, Taken: 100, Ended: true, Again: true, Redrive: again}, 2, 12, false},
		{"with all of them in the end", Sample{Failed: 8, Settled: 95, Held: 2, Taken: 100, Ended: true, Again: true, Redrive: again}, 8, 100, true},
	} {
		failed, of, all := c.s.Judged()
		require.Equal(t, []any{c.failed, c.of, c.all}, []any{failed, of, all}, c.name)
	}
	require.False(t, Limits{}.ExceededBy(Sample{}))
	require.True(t, Limits{Count: 1}.ExceededBy(Sample{Failed: 2, Settled: 2}))
}
