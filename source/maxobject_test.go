package source_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/source"
)

func TestAnObjectThatIsTooLargeForMemoryIsRefused(t *testing.T) {
	bucket := memory(t, map[string]string{"a": strings.Repeat("1", 100)})
	one := func(o source.ObjectsOptions) source.Object {
		items, err := try(t.Context(), source.Objects(bucket, "", o))
		require.NoError(t, err)
		return items[0].Value
	}
	var limit *source.LimitError
	small := one(source.ObjectsOptions{MaxObject: 99})
	_, err := small.ReadAll(t.Context())
	require.ErrorAs(t, err, &limit)
	require.Equal(t, "a", limit.Object)
	require.EqualValues(t, 99, limit.Max)
	require.ErrorContains(t, err, "ObjectsOptions.MaxObject")
	var v any
	require.ErrorAs(t, small.DecodeJSON(t.Context(), &v), &limit)
	for _, most := range []int64{0, 100, -1} {
		text, err := one(source.ObjectsOptions{MaxObject: most}).ReadAll(t.Context())
		require.NoError(t, err)
		require.Len(t, text, 100)
	}
	in, err := small.Open(t.Context())
	require.NoError(t, err, "Open has no limit")
	require.NoError(t, in.Close())
}
