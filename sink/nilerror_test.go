package sink_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// nilErrors are errors that are nil pointers or maps, or hold one.
var nilErrors = []error{
	(*dmap.HoldError)(nil), (*dmap.PanicError)(nil), (*dmap.ReadError)(nil), (*dmap.PoisonError)(nil), (*dmap.RejectedError)(nil),
	(*dmap.BrokenObjectError)(nil), (*dmap.ItemError)(nil), (*dmap.BudgetError)(nil), (*source.RowError)(nil), (*source.ChangedError)(nil),
	batch.Errors(nil), fmt.Errorf("x: %w", error((*dmap.HoldError)(nil))), &dmap.PanicError{Value: (*dmap.HoldError)(nil)},
	(*fs.PathError)(nil), fmt.Errorf("x: %w", error((*url.Error)(nil))), errors.Join(errBad, (*userError)(nil)), (*userError)(nil),
}

// userError is an error of a user's function. All its methods panic on a nil pointer.
type userError struct{ text string }

func (e *userError) Error() string     { return e.text }
func (e *userError) Unwrap() error     { return errors.New(e.text) }
func (e *userError) Is(err error) bool { return err.Error() == e.text }
func (e *userError) Retryable() bool   { return e.text == "" }
func (e *userError) Class() string     { return e.text }

// A function that returns a variable of type *dmap.HoldError as its error returns no nil, also if
// the pointer is nil.
func TestANilPointerAsAnErrorFailsItsItem(t *testing.T) {
	for _, nothing := range nilErrors {
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

// The same as the error of a batch, and of an item in one.
func TestANilPointerAsAnErrorOfABatchFailsItsItems(t *testing.T) {
	for _, nothing := range nilErrors {
		if fmt.Sprintf("%T", nothing) == "batch.Errors" { // no item has an error: all have succeeded
			continue
		}
		for what, test := range map[string]struct {
			err          error
			failed, good int64
		}{
			"whole batch":       {nothing, 3, 3},
			"one item":          {batch.Errors{1: nothing}, 1, 5},
			"all items":         {batch.Errors{0: nothing, 1: nothing, 2: nothing}, 3, 3},
			"wrapped":           {fmt.Errorf("batch: %w", nothing), 3, 3},
			"one item, wrapped": {fmt.Errorf("batch: %w", batch.Errors{1: nothing}), 1, 5},
		} {
			t.Run(fmt.Sprintf("%T %s", nothing, what), func(t *testing.T) {
				opts := dmap.Options{RunID: "run", Tolerance: dmap.Tolerance{Count: 3}, Retry: dmap.Retry{MaxAttempts: 2, Initial: 1}}
				bucket := memory(t)
				stats, err := dmap.MapBatch(t.Context(), source.Slice([]int{0, 1, 2, 3, 4, 5}), batch.Limits{Items: 3},
					func(_ context.Context, items []dmap.Item[int]) ([]int, error) {
						if items[0].Value == 0 {
							return make([]int, len(items)), test.err
						}
						if items[0].Value < 3 { // an item that is tried again, alone
							return make([]int, len(items)), nothing
						}
						return make([]int, len(items)), nil
					}, opts, sink.Bucket[int](bucket, "runs/"))
				require.NoError(t, err)
				require.Equal(t, test.failed, stats.Failed)
				require.Equal(t, test.good, stats.Succeeded)
				m, err := results.Load(t.Context(), bucket, "runs/", "run")
				require.NoError(t, err)
				require.Len(t, collect(t, results.Failures(t.Context(), bucket, m)), int(test.failed))
			})
		}
	}
}
