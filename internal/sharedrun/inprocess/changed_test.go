package inprocess_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// mendedRows are n rows; text is that of every fifth one.
func mendedRows(n int, text string) string {
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range n {
		value := "ok"
		if i%5 == 2 {
			value = text
		}
		fmt.Fprintf(&b, "%04d,%s\n", i, value)
	}
	return b.String()
}

// The leases of a redrive take mended rows of objects that have changed, wherever the lease began
// that has read a row.
func TestASharedRedriveTakesMendedRows(t *testing.T) {
	const n, objects = 400, 2
	for name, src := range map[string]func(b *blob.Bucket) dmap.Source[[]string]{
		"csv": func(b *blob.Bucket) dmap.Source[[]string] { return source.CSV(b, "in/0.csv", source.Strings) },
		"flatten": func(b *blob.Bucket) dmap.Source[[]string] {
			return source.Flatten(source.Objects(b, "in/"), func(o source.Object) dmap.Source[[]string] { return source.CSVOf(o, source.Strings) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := memory(t)
				put := func(text string) {
					for i := range objects {
						require.NoError(t, in.WriteAll(t.Context(), fmt.Sprintf("in/%d.csv", i), []byte(mendedRows(n, text)), nil))
					}
					time.Sleep(time.Hour) // bodies have the time in seconds
				}
				put("bad")
				var calls counter
				s := shared[[]string]{t: t, bucket: memory(t), src: src(in)}
				s.options.Tolerance.Percentage = 100
				s.call = func(ctx context.Context, row []string) (string, error) {
					time.Sleep(100 * time.Millisecond)
					info, _ := dmap.InfoFrom(ctx)
					if row[1] == "bad" {
						return "", errBad
					}
					calls.add(info.ID() + " " + row[1])
					return row[1], nil
				}
				run := func() {
					end, err := s.host().Run(t.Context())
					require.NoError(t, err)
					require.NoError(t, end.Err)
				}
				run()
				_, succeeded, failed := outcomes(t, s.bucket)
				require.Len(t, failed, len(succeeded)/4)

				put("new") // as long as before
				s.options.Redrive = dmap.Redrive{Max: 1, Tolerated: true}
				run()
				_, _, still := outcomes(t, s.bucket)
				require.ElementsMatch(t, failed, still, "without the option no row is taken")

				s.options.Redrive = dmap.Redrive{Max: 2, Tolerated: true, Changed: true}
				run()
				end, succeeded, still := outcomes(t, s.bucket)
				require.Empty(t, still)
				require.Equal(t, 2, end.Stats.Redrives)
				require.Len(t, calls.calls, len(succeeded))
				for _, id := range failed {
					require.Equal(t, 1, calls.calls[id+" new"], id)
				}
			})
		})
	}
}
