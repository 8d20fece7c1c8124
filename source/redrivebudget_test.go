package source_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/budget"
	"github.com/go-dmap/dmap/source"
)

// The records of batches that are read at once fit into the budget of the process: each takes six
// times its size. Here they are small for what full ones are: eight of a million items.
func TestLargeBatchesThatAreReadAtOnceFitIntoTheBudget(t *testing.T) {
	skipWithRaceDetector(t)
	const batches, copies = 12, 6
	input, err := json.Marshal(map[string]any{"Items": []string{strings.Repeat("x", 1<<20), "b"}})
	require.NoError(t, err)
	bucket := memory(t, nil)
	files := map[string]string{}
	for i := range batches / 2 {
		files[fmt.Sprintf("FAILED_%d.json", i)] = childLines([]map[string]any{child(i, string(input))})
		files[fmt.Sprintf("PENDING_%d.json", i)] = files[fmt.Sprintf("FAILED_%d.json", i)]
	}
	require.NoError(t, bucket.WriteAll(t.Context(), "sfn/manifest.json", []byte(childManifest(bucket, t, files)), nil))
	synctest.Test(t, func(t *testing.T) {
		var reading, items atomic.Int64
		proceed := make(chan struct{})
		var wait sync.WaitGroup
		for _, src := range []dmap.Source[string]{
			source.Failures[string](bucket, "sfn/manifest.json"), source.Pending[string](bucket, "sfn/manifest.json"),
		} {
			p := plan(src)
			for split, err := range p.Splits(t.Context()) {
				require.NoError(t, err)
				wait.Go(func() {
					first := true
					for item, err := range p.Read(t.Context(), split) {
						if err != nil || item.Err != nil {
							continue
						}
						if items.Add(1); first {
							reading.Add(1)
							<-proceed
							reading.Add(-1)
							first = false
						}
					}
				})
			}
		}
		together := int64(budget.Bytes / (copies * len(input)))
		for done := range int64(batches) {
			synctest.Wait()
			require.Equal(t, min(together, batches-done), reading.Load(), "after %d", done)
			proceed <- struct{}{}
		}
		wait.Wait()
		require.EqualValues(t, 2*batches, items.Load())
	})
}
