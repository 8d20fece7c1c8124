package dmaptemporal

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/coord"
)

func TestSettingsThatNoRunCanHaveAreRefused(t *testing.T) {
	for want, s := range map[string]Settings{
		"MaxConcurrency -1: want 1 to 10000000":            {MaxConcurrency: -1},
		"MaxConcurrency 1099511627776: want 1 to 10000000": {MaxConcurrency: 1 << 40},
		"PerLease -3: want 1 to 10000":                     {PerLease: -3},
		"PerLease 10001: want 1 to 10000":                  {PerLease: 10_001},
		"Rate: +Inf calls":                                 {Rate: dmap.Rate{Calls: math.Inf(1)}},
		"Rate: 0 calls and NaN items":                      {Rate: dmap.Rate{Items: math.NaN()}},
		"Rate.Burst -1 is negative":                        {Rate: dmap.Rate{Burst: -1}},
		"Tolerance.Percentage 101: want 0 to 100":          {Tolerance: dmap.Tolerance{Percentage: 101}},
		"Tolerance: Count -1":                              {Tolerance: dmap.Tolerance{Count: -1}},
		"Budget {Calls:-1":                                 {Budget: dmap.Budget{Calls: -1}},
		"Options.Redrive.Max -1 is negative":               {Redrive: dmap.Redrive{Max: -1}},
		"Settings.Beat 1s: want 3s to 10s":                 {Beat: time.Second},
	} {
		t.Run(want, func(t *testing.T) { require.ErrorContains(t, s.check("r"), want) })
	}
	require.ErrorContains(t, Settings{}.check(""), "the run has no ID")
	require.ErrorContains(t, Settings{}.check("../x"), `Options.RunID "../x"`)
	require.NoError(t, Settings{}.check("r"))
	require.NoError(t, Settings{MaxConcurrency: coord.MaxLimit}.check("r"))
	require.Equal(t, coord.MaxPerLease, Settings{MaxConcurrency: coord.MaxLimit}.control().PerLease)
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	var none context.Context
	_, err := Map[int]{}.Start(none, nil, "q", "r", 0, Settings{})
	require.ErrorIs(t, err, errNoContext)
	_, err = Open(none, nil, "r", nil)
	require.ErrorIs(t, err, errNoContext)
	require.ErrorIs(t, Serve(none, nil, "q"), errNoContext)
	for _, n := range []int{-1, mostLeases + 1} {
		require.ErrorContains(t, Worker{Leases: n}.Serve(t.Context(), nil, "q"), "want 1 to 1000, or 0 for 100")
	}
}
