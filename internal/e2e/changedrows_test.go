package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// A person mends a row that failed and uploads the file again: on each store the redrive takes it.
func TestAMendedRowIsTakenOnEachStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, s store) {
		for _, key := range []string{"orders.csv", "flat/orders.csv"} {
			in, out := s.bucket(t), s.bucket(t)
			src := source.CSV(in, key, source.Strings)
			if strings.HasPrefix(key, "flat/") {
				src = source.Flatten(source.Objects(in, "flat/"), func(o source.Object) dmap.Source[[]string] {
					return source.CSVOf(o, source.Strings)
				})
			}
			run := func(content string, redrive dmap.Redrive) dmap.Stats {
				require.NoError(t, in.WriteAll(t.Context(), key, []byte(content), nil))
				redrive.Max, redrive.Tolerated = 9, true
				stats, err := dmap.Map(t.Context(), src, func(_ context.Context, row []string) (string, error) {
					if strings.HasPrefix(row[1], "bad") {
						return "", errors.New("it is bad")
					}
					return row[1], nil
				}, dmap.Options{RunID: "r", Redrive: redrive, Tolerance: dmap.Tolerance{Percentage: 100}}, sink.Bucket[string](out, "out"))
				require.NoError(t, err)
				return stats
			}
			require.EqualValues(t, 2, run("id,text\n1,ok\n2,bad\n3,ok\n4,bad\n", dmap.Redrive{}).Failed)
			require.EqualValues(t, 2, run("id,text\n1,ok\n2,fix\n3,ok\n4,mended\n", dmap.Redrive{}).Failed, "the default")
			require.EqualValues(t, 2, run("id,next\n1,ok\n2,fix\n3,ok\n4,mended\n", dmap.Redrive{Changed: true}).Failed, "another header")
			require.EqualValues(t, 1, run("id,text\n1,ok\n2,bad\n3,ok\n4,mended\n", dmap.Redrive{Changed: true}).Failed)
			stats := run("id,text\n1,ok\n2,mended\n3,ok\n4,mended\n", dmap.Redrive{Changed: true})
			require.Zero(t, stats.Failed)
			require.EqualValues(t, 4, stats.Succeeded)
			require.EqualValues(t, 4, stats.Read)
		}
	})
}
