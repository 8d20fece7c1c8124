package dmaptest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// filler is numbers as a Filler, with bugs of its own.
type filler struct {
	numbers
	fillBug string
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

func TestSplitterComparesWhatIsFilled(t *testing.T) {
	open := func(bug string) func(testing.TB) dmap.Splitter[int] {
		return func(testing.TB) dmap.Splitter[int] { return &filler{fillBug: bug} }
	}
	require.Empty(t, find(t, splitterChecks(open(""), compareBy[int](nil))))
	for bug, want := range map[string]string{
		"error":       `Fill returns 0 for a space of 1 (error: no memory)`,
		"counts more": `Fill returns 2 for a space of 1`,
		"stops early": `filled into spaces of 7, compared with Read: 11 items, want 20`,
		"cursor":      `item 10 "numbers@30" has Next`,
		"value":       `item 10 "numbers@30" has Value 31, want 30`,
	} {
		require.Contains(t, find(t, splitterChecks(open(bug), compareBy[int](nil))), "what is filled in is what is read: split", bug)
		require.Contains(t, find(t, splitterChecks(open(bug), compareBy[int](nil))), want, bug)
	}
}
