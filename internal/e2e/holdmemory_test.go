package e2e

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// peakOf is the most that is allocated while f runs, without garbage, beyond the memory from
// before: the tests before this one have left some, such as decoders that are used again.
func peakOf(f func()) (peak uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return peak - min(peak, before)
}

// Neither the memory of a run nor its commits grow with held items.
func TestManyHeldItemsNeedLittleMemory(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("the race detector multiplies memory: make test runs it without")
	}
	n := repetitions(60_000, 60_000, 1_000_000)
	folder := closeAtEnd(t, openFile(t))
	decisions := n / 100
	run := func() (stats dmap.Stats, err error) {
		numbers := func(yield func(number) bool) {
			for i := range n {
				if !yield(number{i}) {
					return
				}
			}
		}
		return dmap.Map(t.Context(), source.Seq(numbers), func(ctx context.Context, in number) (squared, error) {
			if info, _ := dmap.InfoFrom(ctx); info.Decision == nil {
				return squared{}, dmap.Hold("look at it")
			}
			return squared{in.N, in.N}, nil
		}, dmap.Options{RunID: "r", MaxConcurrency: 8}, sink.Bucket[squared](folder, "runs"))
	}
	held := peakOf(func() {
		stats, err := run()
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.EqualValues(t, n, stats.Held)
	})
	for i := range decisions {
		id := fmt.Sprintf("item@%d", i*100)
		object := fmt.Sprintf(`{"id": %q, "decision": "approve"}`, id)
		require.NoError(t, folder.WriteAll(t.Context(), "runs/r/"+runfolder.DecisionName(id, 1), []byte(object), nil))
	}
	released := peakOf(func() {
		stats, err := run()
		require.ErrorIs(t, err, dmap.ErrHeld)
		require.EqualValues(t, n-decisions, stats.Held)
		require.EqualValues(t, decisions, stats.Succeeded)
	})
	largest := int64(0)
	list := folder.List(nil)
	for {
		o, err := list.Next(t.Context())
		if err != nil {
			break
		}
		if strings.Contains(o.Key, "/commits/") {
			largest = max(largest, o.Size)
		}
	}
	t.Logf("%d held items, %d decisions: peak of the heap %d MiB while they were held, %d MiB in the release; largest commit %d KiB",
		n, decisions, held>>20, released>>20, largest>>10)
	require.Less(t, held, uint64(100<<20))
	require.Less(t, released, uint64(160<<20))
	require.Less(t, largest, int64(256<<10))
}
