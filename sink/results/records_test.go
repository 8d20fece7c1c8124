package results_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
)

func TestAPartThatWasChangedIsNotRead(t *testing.T) {
	changes := map[string]struct {
		change func(string) string
		want   string
	}{
		"flipped":  {func(s string) string { return strings.Replace(s, `"output":1`, `"output":2`, 1) }, "SHA-256"},
		"shorter":  {func(s string) string { return s[:len(s)-3] }, "are recorded"},
		"longer":   {func(s string) string { return s + "{}\n" }, "at most"},
		"replaced": {func(s string) string { return strings.Repeat("\n", len(s)) }, "SHA-256"},
	}
	for name, test := range changes {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t)
			m := stored(t, bucket, sink.BucketOptions{PartBytes: 300}, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
			second := m.SucceededParts[1].Key
			require.NoError(t, bucket.WriteAll(t.Context(), second, []byte(test.change(read(t, bucket, second))), nil))
			var got int
			var err error
			for _, e := range results.Successes[int](t.Context(), bucket, m) {
				if err = e; e == nil {
					got++
				}
			}
			require.EqualValues(t, m.SucceededParts[0].Records, got, "nothing of the changed part is yielded")
			require.ErrorContains(t, err, second)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestAMissingPartIsAnError(t *testing.T) {
	bucket := memory(t)
	m := stored(t, bucket, sink.BucketOptions{}, 1)
	require.NoError(t, bucket.Delete(t.Context(), m.SucceededParts[0].Key))
	require.ErrorContains(t, last(results.Successes[int](t.Context(), bucket, m)), m.SucceededParts[0].Key)
}

func TestARecordOfAnotherTypeNamesPartAndLine(t *testing.T) {
	bucket := memory(t)
	m := stored[any](t, bucket, sink.BucketOptions{}, 1, "text")
	err := last(results.Successes[int](t.Context(), bucket, m))
	require.ErrorContains(t, err, m.SucceededParts[0].Key)
	require.ErrorContains(t, err, "line 2")
}

func TestReadingMayStopAnywhere(t *testing.T) {
	bucket := memory(t)
	m := stored(t, bucket, sink.BucketOptions{}, 1, 2)
	for r, err := range results.Successes[int](t.Context(), bucket, m) {
		require.NoError(t, err)
		require.Equal(t, 1, r.Output)
		break
	}
}
