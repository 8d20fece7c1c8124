package sink_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
)

var (
	_ dmap.Sink[int]      = (*sink.Memory[int])(nil)
	_ dmap.ConcurrentSink = (*sink.Memory[int])(nil)
)

func TestMemoryKeepsAllResultsOfConcurrentWritersInSourceOrder(t *testing.T) {
	var got sink.Memory[int]
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := range 100 {
				n := w*100 + i
				r := dmap.Result[int]{Info: dmap.Info{Key: "a.csv", Offset: int64(n)}, Value: n}
				if n%10 == 0 {
					r.Err = fmt.Errorf("bad %d", n)
				}
				if err := got.Write(t.Context(), []dmap.Result[int]{r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	require.NoError(t, got.Flush(t.Context()))

	require.Len(t, got.Results(), 800)
	for i, r := range got.Results() {
		require.EqualValues(t, i, r.Offset)
	}
	require.Len(t, got.Failed(), 80)
	require.Len(t, got.Succeeded(), 720)
	require.Len(t, got.Values(), 720)
	require.Equal(t, []int{1, 2, 3}, got.Values()[:3])
}

func TestMemoryKeepsNothingOfTheCallersSlice(t *testing.T) {
	var got sink.Memory[string]
	batch := []dmap.Result[string]{{Info: dmap.Info{Key: "k"}, Value: "first"}}
	require.NoError(t, got.Write(t.Context(), batch))
	batch[0].Value = "reused"
	require.Equal(t, []string{"first"}, got.Values())

	got.Results()[0].Value = "changed by the reader"
	require.Equal(t, []string{"first"}, got.Values())
}

func TestMemoryWithoutResultsIsEmptyNotNil(t *testing.T) {
	var got sink.Memory[int]
	require.Empty(t, got.Results())
	require.NotNil(t, got.Values())
}

func ExampleMemory() {
	var got sink.Memory[int]
	var s dmap.Sink[int] = &got // what a run is given

	_ = s.Write(context.Background(), []dmap.Result[int]{
		{Info: dmap.Info{Key: "b.json", Offset: dmap.WholeObject}, Value: 2},
		{Info: dmap.Info{Key: "a.json", Offset: dmap.WholeObject}, Value: 1},
		{Info: dmap.Info{Key: "c.json", Offset: dmap.WholeObject}, Err: errors.New("no such account")},
	})
	fmt.Println(got.Values())
	for _, r := range got.Failed() {
		fmt.Println(r.ID(), r.Err)
	}
	// Output:
	// [1 2]
	// c.json no such account
}
