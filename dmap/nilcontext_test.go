package dmap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

func TestANilContextIsAnError(t *testing.T) {
	var none context.Context
	src, limits, opts := numbers(3), batch.Limits{Items: 2}, dmap.Options{}
	inBatches := func(context.Context, []dmap.Item[int]) ([]int, error) { return nil, nil }
	for name, call := range map[string]func() error{
		"Map":        func() error { _, err := dmap.Map(none, src, double, opts); return err },
		"MapBatch":   func() error { _, err := dmap.MapBatch(none, src, limits, inBatches, opts); return err },
		"Start":      func() error { _, err := dmap.Start(none, src, double, opts); return err },
		"StartBatch": func() error { _, err := dmap.StartBatch(none, src, limits, inBatches, opts); return err },
		"Preflight":  func() error { _, err := dmap.Preflight(none, src, double, opts); return err },
		"Estimate":   func() error { _, err := dmap.Estimate(none, src, double, opts, dmap.Sampling{}); return err },
		"EstimateBatch": func() error {
			_, err := dmap.EstimateBatch(none, src, limits, inBatches, opts, dmap.Sampling{})
			return err
		},
		"Results": func() (last error) {
			for _, err := range dmap.Results(none, src, double, opts) {
				last = err
			}
			return last
		},
	} {
		err := call()
		require.ErrorContains(t, err, "the context is nil", name)
		require.Equal(t, 64, dmap.ExitCode(err), name)
	}
}
