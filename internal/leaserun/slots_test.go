package leaserun_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/go-dmap/dmap/internal/leaserun"
)

func TestSlotsOfAWorker(t *testing.T) {
	for name, c := range map[string]struct {
		slots  int
		leases []leaserun.Use
		want   []int
	}{
		"none":                       {10, nil, []int{}},
		"one":                        {10, []leaserun.Use{{Slots: 10, Limit: 1}}, []int{10}},
		"equal shares":               {10, []leaserun.Use{{Slots: 10, Limit: 1}, {Slots: 10, Limit: 1}}, []int{5, 5}},
		"one wants less":             {10, []leaserun.Use{{Slots: 2, Limit: 1}, {Slots: 10, Limit: 1}}, []int{2, 8}},
		"one finishes":               {10, []leaserun.Use{{Slots: 10, Limit: 5, InFlight: 2, Finishing: true}, {Slots: 10, Limit: 5, InFlight: 5}}, []int{2, 8}},
		"one that finishes waits":    {10, []leaserun.Use{{Slots: 10, Limit: 5, Finishing: true}, {Slots: 10, Limit: 5, InFlight: 5}}, []int{1, 9}},
		"calls have not returned":    {10, []leaserun.Use{{Slots: 10, Limit: 10, InFlight: 10}, {Slots: 10, Limit: 1}}, []int{5, 1}},
		"some calls have":            {10, []leaserun.Use{{Slots: 10, Limit: 5, InFlight: 7}, {Slots: 10, Limit: 1}}, []int{5, 3}},
		"more leases than slots":     {2, []leaserun.Use{{Slots: 1, Limit: 1}, {Slots: 1, Limit: 1}, {Slots: 1, Limit: 1}}, []int{1, 1, 1}},
		"the worker has fewer slots": {4, []leaserun.Use{{Slots: 10, Limit: 5, InFlight: 5}, {Slots: 10, Limit: 5, InFlight: 5}}, []int{2, 2}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, leaserun.Slots(c.slots, c.leases)) })
	}
}

// The sum of the calls that may run stays within the slots at every step, and in the end all slots
// are used that the leases can take.
func TestSlotsAreNeverExceededAndAllUsedInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leases := make([]leaserun.Use, rapid.IntRange(1, 6).Draw(t, "leases"))
		slots, want := rapid.IntRange(len(leases), 60).Draw(t, "slots"), 0
		for i := range leases {
			leases[i] = leaserun.Use{Slots: rapid.IntRange(1, 40).Draw(t, "may"), Limit: 1}
			want += leases[i].Slots
		}
		for range 10 { // each lease uses its limit, and calls return
			calls := 0
			for i, limit := range leaserun.Slots(slots, leases) {
				leases[i].Limit = limit
				calls += max(limit, leases[i].InFlight)
				leases[i].InFlight = rapid.IntRange(0, limit).Draw(t, "calls")
			}
			if calls > slots {
				t.Fatalf("%d calls may run, of %d", calls, slots)
			}
		}
		for i := range leases {
			leases[i].InFlight = 0
		}
		sum := 0
		for _, limit := range leaserun.Slots(slots, leases) {
			sum += limit
		}
		if sum != min(slots, want) {
			t.Fatalf("%d of %d slots are used, %d are wanted", sum, slots, want)
		}
	})
}
