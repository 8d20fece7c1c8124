package batch_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
)

func TestFits(t *testing.T) {
	cases := []struct {
		name        string
		l           batch.Limits
		items       int
		bytes, size int64
		want        bool
	}{
		{"an item of any size fits into an empty batch", batch.Limits{Bytes: 10}, 0, 0, 1 << 40, true},
		{"by count", batch.Limits{Items: 3}, 2, 0, 1 << 40, true},
		{"count reached", batch.Limits{Items: 3}, 3, 0, 0, false},
		{"by bytes", batch.Limits{Bytes: 10}, 1, 4, 6, true},
		{"one byte too many", batch.Limits{Bytes: 10}, 1, 4, 7, false},
		{"both limits: the smaller applies", batch.Limits{Items: 2, Bytes: 100}, 2, 2, 1, false},
		{"only bytes, sizes unknown", batch.Limits{Bytes: 10}, batch.MaxItems, 0, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.l.Fits(c.items, c.bytes, c.size)) })
	}
}

func TestFull(t *testing.T) {
	require.False(t, batch.Limits{Items: 3}.Full(2, 1<<40))
	require.True(t, batch.Limits{Items: 3}.Full(3, 0))
	require.True(t, batch.Limits{Bytes: 10}.Full(1, 10))
	require.False(t, batch.Limits{Bytes: 10}.Full(1, 9))
	require.True(t, batch.Limits{Bytes: 10}.Full(batch.MaxItems, 0))
}

func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	require.NoError(t, batch.Errors{}.Err())
	require.NoError(t, batch.Errors(nil).Err())
	require.NoError(t, batch.Errors{1: nil}.Err())
	err := fmt.Errorf("call: %w", batch.Errors{4: boom, 0: errors.New("zero")}.Err())
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, "call: 2 items of the batch failed; 0: zero; 4: boom")
	many := batch.Errors{0: boom, 1: boom, 2: boom, 3: boom}
	require.EqualError(t, many, "4 items of the batch failed; 0: boom; 1: boom; 2: boom; ...")
}
