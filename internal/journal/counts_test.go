package journal_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
)

// Minus undoes Add in every field, also in one that comes later.
func TestMinusUndoesAdd(t *testing.T) {
	var a, b journal.Counts
	for i, c := range []*journal.Counts{&a, &b} {
		fields := reflect.ValueOf(c).Elem()
		for f := range fields.NumField() {
			switch v := fields.Field(f); v.Kind() {
			case reflect.Float64:
				v.SetFloat(float64(7*f + i + 1))
			default:
				v.SetInt(int64(5*f + i + 1))
			}
		}
	}
	sum := a
	sum.Add(b)
	require.Equal(t, a, sum.Minus(b))
	require.Equal(t, b, sum.Minus(a))
	require.Zero(t, a.Minus(a))
}
