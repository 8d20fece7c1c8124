package source_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/source"
)

// A large object is sampled at random places: the range for its number of records holds it, few of
// its bytes are read, and long records are no more likely than short ones.
func TestALargeObjectIsSampledAtRandomPlaces(t *testing.T) {
	const n = 150_000
	r := rand.New(rand.NewPCG(1, 1))
	var lines, rows strings.Builder
	rows.WriteString("n,pad\n")
	for i := range n {
		pad := strings.Repeat("x", 20+r.IntN(100)+1000*(i%20/19))
		fmt.Fprintf(&lines, "{\"n\":%d,\"pad\":%q}\n", i, pad)
		fmt.Fprintf(&rows, "%d,\"%s\"\n", i, pad)
	}
	type row struct {
		N   int    `json:"n" csv:"n"`
		Pad string `json:"pad" csv:"pad"`
	}
	bucket := dmaptest.NewFaultBucket(t, memory(t, map[string]string{"a.jsonl": lines.String(), "a.csv": rows.String()}))
	for name, src := range map[string]dmap.Source[row]{
		"lines": source.JSONLines[row](bucket.Bucket, "a.jsonl"), "rows": source.CSV(bucket.Bucket, "a.csv", source.Into[row]),
	} {
		t.Run(name, func(t *testing.T) {
			held, long, called := 0, 0, 0
			seeds := uint64(testsize.Sizes{Short: 10, Race: 4, Usual: 20}.Now())
			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) {
					e, err := dmap.Estimate(t.Context(), src, func(_ context.Context, v row) (int, error) {
						called++
						if len(v.Pad) > 1000 {
							long++
						}
						time.Sleep(time.Second)
						return v.N, nil
					}, dmap.Options{MaxConcurrency: 1}, dmap.Sampling{Items: 200, Seed: seed, MaxRead: 1000})
					require.NoError(t, err)
					if e.Items.Low <= n && n <= e.Items.High {
						held++
					}
					require.Less(t, e.Items.High, 1.3*e.Items.Low)
					require.Greater(t, e.Times[0].High, n*time.Second*9/10)
				})
			}
			require.GreaterOrEqual(t, held, int(seeds)*9/10)
			require.InDelta(t, 0.05, float64(long)/float64(called), 0.015, "one record in twenty is long")
		})
	}
}

// Rows that span lines cannot be found from the middle: the object is read from its start.
func TestAnObjectWithRowsOfManyLinesIsReadAsAWhole(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("a,b\n")
	for i := range 60_000 {
		fmt.Fprintf(&rows, "%d,\"%s\"\n", i, strings.Repeat("line,of,text\n", 12))
	}
	bucket := memory(t, map[string]string{"a.csv": rows.String()})
	synctest.Test(t, func(t *testing.T) {
		e, err := dmap.Estimate(t.Context(), source.CSV(bucket, "a.csv", source.Strings), func(context.Context, []string) (int, error) {
			time.Sleep(time.Second)
			return 0, nil
		}, dmap.Options{}, dmap.Sampling{})
		require.NoError(t, err)
		require.Equal(t, dmap.Range{Low: 60_000, High: 60_000}, e.Items)
	})
}

// Records are sampled once each, also where the blocks are a quarter of the object.
func TestASampleOfALargeObjectHasNoRecordTwice(t *testing.T) {
	var lines strings.Builder
	for i := range 1400 {
		fmt.Fprintf(&lines, "{\"n\":%d,\"pad\":%q}\n", i, strings.Repeat("x", 5000))
	}
	type row struct {
		N int `json:"n"`
	}
	src := source.JSONLines[row](memory(t, map[string]string{"a.jsonl": lines.String()}), "a.jsonl")
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			seen := map[int]bool{}
			_, err := dmap.Estimate(t.Context(), src, func(_ context.Context, v row) (int, error) {
				require.False(t, seen[v.N], "record %d", v.N)
				seen[v.N] = true
				time.Sleep(time.Second)
				return v.N, nil
			}, dmap.Options{MaxConcurrency: 1}, dmap.Sampling{Items: 100, Seed: seed, MaxRead: 1000})
			require.NoError(t, err)
		})
	}
}

// Records that are longer than the blocks begin in few of these: the object is read from its start.
func TestALargeObjectOfFewRecordsIsReadAsAWhole(t *testing.T) {
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "{\"n\":%d,\"pad\":%q}\n", i, strings.Repeat("x", 100_000))
	}
	type row struct {
		N int `json:"n"`
	}
	src := source.JSONLines[row](memory(t, map[string]string{"a.jsonl": lines.String()}), "a.jsonl")
	synctest.Test(t, func(t *testing.T) {
		e, err := dmap.Estimate(t.Context(), src, func(_ context.Context, v row) (int, error) {
			time.Sleep(time.Second)
			return v.N, nil
		}, dmap.Options{}, dmap.Sampling{Items: 100})
		require.NoError(t, err)
		require.Equal(t, dmap.Range{Low: 100, High: 100}, e.Items)
		require.Equal(t, 100, e.Sampled)
	})
}
