package sink_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A function that returns a variable of type *dmap.HoldError as its error returns no nil, also if
// the pointer is nil.
func TestANilPointerAsAnErrorFailsItsItem(t *testing.T) {
	for _, nothing := range []error{
		(*dmap.HoldError)(nil), (*dmap.PanicError)(nil), (*dmap.ReadError)(nil), (*dmap.PoisonError)(nil), (*dmap.RejectedError)(nil),
		(*dmap.BrokenObjectError)(nil), (*dmap.ItemError)(nil), (*dmap.BudgetError)(nil), (*source.RowError)(nil), (*source.ChangedError)(nil),
		batch.Errors(nil), fmt.Errorf("x: %w", error((*dmap.HoldError)(nil))), &dmap.PanicError{Value: (*dmap.HoldError)(nil)},
	} {
		t.Run(fmt.Sprintf("%T", nothing), func(t *testing.T) {
			opts := dmap.Options{RunID: "run", Tolerance: dmap.Tolerance{Count: 1}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}}
			stats, err := dmap.Map(t.Context(), source.Slice([]int{0, 1, 2}), func(_ context.Context, i int) (int, error) {
				if i == 1 {
					return 0, nothing
				}
				return i, nil
			}, opts, sink.Bucket[int](memory(t), "runs/"))
			require.NoError(t, err)
			require.EqualValues(t, 1, stats.Failed)
			require.EqualValues(t, 2, stats.Succeeded)
		})
	}
}
