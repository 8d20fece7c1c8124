package e2e

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A bucket of real files is estimated from a sample, then mapped at each concurrency, with results.
// The counts must hold. Times are measured, not asserted: DMAP_ESTIMATE=500000 prints them.
func TestAnEstimateOfAFolderIsHeldAgainstItsRuns(t *testing.T) {
	objects, mean, concurrency := 600, time.Millisecond, []int{10, 20, 40}
	if text := os.Getenv("DMAP_ESTIMATE"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		objects, mean, concurrency = n, 50*time.Millisecond, []int{100, 200, 400}
	}
	folder := t.TempDir()
	writeObjects(t, folder, objects)
	bucket, err := openPlace(t.Context(), folder)
	require.NoError(t, err)
	defer bucket.Close()
	call := func(ctx context.Context, o source.Object) (int, error) {
		content, err := o.ReadAll(ctx)
		if err != nil {
			return 0, err
		}
		select {
		case <-time.After(lognormal(mean, o.Key)):
			return len(content), nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	src := source.Objects(bucket, "data/")
	e, err := dmap.Estimate(t.Context(), src, call, dmap.Options{RunID: "sampled"},
		dmap.Sampling{Items: min(objects/2, 1000), Concurrency: concurrency, Seed: 1})
	require.NoError(t, err)
	require.Equal(t, dmap.Range{Low: float64(objects), High: float64(objects)}, e.Items)
	t.Logf("%d objects in %s\n%v", objects, "a folder", e)
	for _, r := range e.Times {
		id := fmt.Sprintf("run-%d", r.Concurrency)
		began := time.Now()
		stats, err := dmap.Map(t.Context(), src, call, dmap.Options{RunID: id, MaxConcurrency: r.Concurrency}, sink.Bucket[int](bucket, "runs/"))
		require.NoError(t, err)
		truth := time.Since(began)
		t.Logf("%d calls at once: %v, estimated %v to %v: holds: %v", r.Concurrency, truth.Round(10*time.Millisecond),
			r.Low.Round(10*time.Millisecond), r.High.Round(10*time.Millisecond), r.Low <= truth && truth <= r.High)
		require.EqualValues(t, objects, stats.Succeeded)
		require.GreaterOrEqual(t, float64(stats.Calls), e.Requests.Low)
		require.LessOrEqual(t, float64(stats.Calls), e.Requests.High)
	}
}

// writeObjects writes n small objects data/<i/1000>/<i>.
func writeObjects(t *testing.T, folder string, n int) {
	t.Helper()
	for i := range n {
		dir := filepath.Join(folder, "data", fmt.Sprintf("%04d", i/1000))
		if i%1000 == 0 {
			require.NoError(t, os.MkdirAll(dir, 0o755))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%07d.json", i)), fmt.Appendf(nil, `{"n":%d}`, i), 0o600))
	}
}

// lognormal is the time of the call for key: always the same.
func lognormal(mean time.Duration, key string) time.Duration {
	const sigma = 0.7
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	return time.Duration(float64(mean) * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2))
}
