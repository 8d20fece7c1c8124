package dmaptest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// filler is numbers with a Fill, right but for its bug.
type filler struct {
	numbers
	fillBug string
}

func (f *filler) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Splits: f.Splits, Read: f.Read, Fill: f.Fill}
}

func (f *filler) Fill(ctx context.Context, s dmap.Split, items []dmap.Item[int]) (n int, err error) {
	if f.fillBug == "error" {
		return 0, errors.New("no memory")
	}
	for item, err := range f.Read(ctx, s) {
		if n == len(items) || err != nil {
			return n, err
		}
		items[n] = item
		n++
		switch {
		case f.fillBug == "stops early" && item.Value == 30:
			return n, nil
		case f.fillBug == "cursor" && item.Value == 30:
			items[n-1].Next.Offset++
		case f.fillBug == "value" && item.Value == 30:
			items[n-1].Value++
		}
	}
	if f.fillBug == "counts more" {
		n = len(items) + 1
	}
	return n, nil
}

func TestSuiteComparesFillWithRead(t *testing.T) {
	open := func(bug string) func(testing.TB) dmap.Source[int] {
		return func(testing.TB) dmap.Source[int] { return &filler{fillBug: bug} }
	}
	require.Empty(t, find(t, planChecks(open(""), compareBy[int](nil))))
	for bug, want := range map[string]string{
		"error":       `Fill returns 0 for 1 items (error: no memory)`,
		"counts more": `Fill returns 2 for 1 items`,
		"stops early": `filled 7 items at a time, compared with Read: 11 items, want 20`,
		"cursor":      `item 10 "numbers@30" has Next`,
		"value":       `item 10 "numbers@30" has Value 31, want 30`,
	} {
		require.Contains(t, find(t, planChecks(open(bug), compareBy[int](nil))), "Fill fills in what Read yields: split", bug)
		require.Contains(t, find(t, planChecks(open(bug), compareBy[int](nil))), want, bug)
	}
}
