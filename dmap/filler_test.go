package dmap_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
)

// filler adds a correct Fill to a source.
type filler struct{ splitReader }

func (f filler) Plan() dmap.Plan[int] {
	p := planOf(f)
	p.Fill = f.Fill
	return p
}

func (f filler) Fill(ctx context.Context, s dmap.Split, items []dmap.Item[int]) (n int, err error) {
	for item, err := range f.Read(ctx, s) {
		if n == len(items) || err != nil {
			return n, err
		}
		item.Index = 0
		items[n] = item
		n++
	}
	return n, nil
}

// What a chunk has when its filling breaks off is unread, not lost.
func TestAFillThatPanicsInTheMiddleOfABatchLosesNothing(t *testing.T) {
	right := filler{pieces{3000, 3000}}
	src := fills{pieces{3000, 3000}, func(s dmap.Split, items []dmap.Item[int]) (int, error) {
		if s.From.Offset+int64(len(items)) > 2600 {
			panic("no memory")
		}
		return right.Fill(t.Context(), s, items)
	}}
	var got keep[int]
	stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 1000}, (&sizes{}).double, dmap.Options{}, &got)
	require.ErrorContains(t, err, "no memory")
	requireSum(t, stats)
	requireDisjoint(t, 3000, &got)
	require.EqualValues(t, 2000, got.ended[0].Unread.Splits[0].From.Offset)
}

// indexed is pieces with the Index of each item.
type indexed struct{ pieces }

func (p indexed) Plan() dmap.Plan[int] { return planOf(p) }

func (p indexed) Read(ctx context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
	return func(yield func(dmap.Item[int], error) bool) {
		var n int64
		for item, err := range p.pieces.Read(ctx, s) {
			item.Index = n
			n++
			if !yield(item, err) {
				return
			}
		}
	}
}

// fills is a source whose Fill is a function.
type fills struct {
	pieces
	fill func(s dmap.Split, items []dmap.Item[int]) (int, error)
}

func (f fills) Plan() dmap.Plan[int] {
	p := planOf(f)
	p.Fill = f.Fill
	return p
}

func (f fills) Fill(_ context.Context, s dmap.Split, items []dmap.Item[int]) (int, error) {
	return f.fill(s, items)
}

func TestFillYieldsTheItemsOfRead(t *testing.T) {
	for _, batched := range []int{0, 7, 1500} { // 1,500 do not fit into one space
		var filled, read keep[int]
		run := func(src dmap.Source[int], got *keep[int]) {
			var err error
			if batched == 0 {
				_, err = dmap.Map(t.Context(), src, double, dmap.Options{RunID: "r"}, got)
			} else {
				_, err = dmap.MapBatch(t.Context(), src, batch.Limits{Items: batched}, (&sizes{}).double, dmap.Options{RunID: "r"}, got)
			}
			require.NoError(t, err)
		}
		run(filler{indexed{pieces{5000, 1600}}}, &filled)
		run(indexed{pieces{5000, 1600}}, &read)
		got, want := filled.byOffset(), read.byOffset()
		require.Len(t, got, 5000)
		for offset, r := range want {
			require.Equal(t, r.Info, got[offset].Info)
			require.Equal(t, r.Value, got[offset].Value)
		}
	}
}

func TestMaxItemsIsExactWithFill(t *testing.T) {
	for _, most := range []int64{1, 63, 64, 65, 1000, 2000} {
		var got keep[int]
		stats, err := dmap.Map(t.Context(), filler{pieces{2000, 300}}, double, dmap.Options{MaxItems: most}, &got)
		require.NoError(t, err)
		require.Equal(t, most, stats.Succeeded)
		require.Equal(t, most, stats.Read)
		require.Len(t, got.byOffset(), int(most))
		for offset := range got.byOffset() {
			require.Less(t, offset, most)
		}
	}
}

func TestBatchesOfFilledItemsCloseByBytes(t *testing.T) {
	bySize := []int64{40, 40, 40, 500, 10, 10, 80, 1}
	src := fills{pieces{len(bySize), len(bySize)}, nil}
	src.fill = func(s dmap.Split, items []dmap.Item[int]) (n int, err error) {
		for at := s.From.Offset; at < s.To.Offset && n < len(items); at++ {
			items[n] = dmap.Item[int]{Key: "n", Offset: at, Size: bySize[at], Next: dmap.Cursor{Offset: at + 1}}
			n++
		}
		return n, nil
	}
	var s sizes
	stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Bytes: 100}, s.double, dmap.Options{MaxConcurrency: 1})
	require.NoError(t, err)
	require.EqualValues(t, len(bySize), stats.Succeeded)
	require.Equal(t, []int{2, 1, 1, 3, 1}, s.all)
}

func TestAFillThatBreaksEndsTheRun(t *testing.T) {
	right := filler{pieces{100, 100}}
	for name, c := range map[string]struct {
		fill func(s dmap.Split, items []dmap.Item[int]) (int, error)
		want string
	}{
		"error": {func(s dmap.Split, items []dmap.Item[int]) (int, error) {
			if s.From.Offset+int64(len(items)) > 60 {
				return 0, errBoom
			}
			return right.Fill(t.Context(), s, items)
		}, "boom"},
		"panic":          {func(dmap.Split, []dmap.Item[int]) (int, error) { panic("no memory") }, "no memory"},
		"too many":       {func(_ dmap.Split, items []dmap.Item[int]) (int, error) { return len(items) + 1, nil }, "items for a space of"},
		"less than none": {func(dmap.Split, []dmap.Item[int]) (int, error) { return -1, nil }, "-1 items for a space of"},
		"cursors that stand still": {func(_ dmap.Split, items []dmap.Item[int]) (int, error) {
			return len(items), nil
		}, "does not lie after"},
	} {
		t.Run(name, func(t *testing.T) {
			var got keep[int]
			stats, err := dmap.Map(t.Context(), fills{pieces{100, 100}, c.fill}, double, dmap.Options{}, &got)
			var broken *dmap.SourceError
			require.ErrorAs(t, err, &broken)
			require.ErrorContains(t, err, c.want)
			requireSum(t, stats)
			requireDisjoint(t, 100, &got)
		})
	}
}

// Items that a Fill skips are counted, and leave no hole in the chunks.
func TestAFillThatSkipsKeepsTheOtherItems(t *testing.T) {
	for name, skip := range map[string]func(int) bool{
		"each third": func(i int) bool { return i%3 == 0 },
		"most":       func(i int) bool { return i%700 != 5 },
		"the last":   func(i int) bool { return i%700 > 500 },
		"all":        func(int) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			right := filler{indexed{pieces{3000, 700}}}
			want := map[int]int64{}
			for _, s := range right.splitReader.(indexed).all(t) {
				if !skip(s.Value) {
					want[s.Value] = s.Index
				}
			}
			src := fills{pieces{3000, 700}, func(s dmap.Split, items []dmap.Item[int]) (int, error) {
				n, err := right.Fill(t.Context(), s, items)
				for i := range items[:n] {
					if skip(items[i].Value) {
						items[i].Err = dmap.ErrSkip
					}
				}
				return n, err
			}}
			var got keep[int]
			stats, err := dmap.MapBatch(t.Context(), src, batch.Limits{Items: 400}, (&sizes{}).double, dmap.Options{}, &got)
			require.NoError(t, err)
			requireSum(t, stats)
			require.EqualValues(t, 3000, stats.Read)
			require.EqualValues(t, 3000-len(want), stats.Skipped)
			require.Len(t, got.results, len(want))
			for _, r := range got.results {
				index, wanted := want[r.Value/2]
				require.True(t, wanted, "item %d", r.Value/2)
				require.Equal(t, index, r.Index)
				delete(want, r.Value/2)
			}
		})
	}
}

// all reads every item.
func (p indexed) all(t *testing.T) []dmap.Item[int] {
	var items []dmap.Item[int]
	for s, err := range p.Splits(t.Context()) {
		require.NoError(t, err)
		for item, err := range p.Read(t.Context(), s) {
			require.NoError(t, err)
			items = append(items, item)
		}
	}
	return items
}
