package e2e

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

type amount struct{ N int }

// A row that cannot be read has no input in its record, which would be a zero value, but its bytes.
func TestARowThatCannotBeReadIsStoredAsItsBytes(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, c := range []struct {
		name, text, raw string
		truncated       bool
		lines           bool
	}{
		{name: "value", text: "N\n1\nx y\n3\n", raw: "x y"},
		{name: "crlf", text: "N\r\n1\r\nx y\r\n3\r\n", raw: "x y"},
		{name: "last row", text: "N\n1\n2\nx", raw: "x"},
		{name: "doubled quotes", text: "N,M\n1,2\n\"a \"\"b\"\" c\",\"d\"\"\"\n3,4\n", raw: "\"a \"\"b\"\" c\",\"d\"\"\""},
		{name: "ragged", text: "N\n1\n2,3,\"4\"\"\"\n3\n", raw: "2,3,\"4\"\"\""},
		{name: "bad quote", text: "N\n1\n\"a\"b\n3\n", raw: "\"a\"b"},
		{name: "bad bytes", text: "N\n1\ncaf\xe9\n3\n", raw: "caf\xe9"},
		{name: "long", text: "N\n1\n" + long + "\n3\n", raw: long[:4096], truncated: true},
		{name: "line", text: "{\"N\":1}\n{\"N\":\"x\"}\n{\"N\":3}\n", raw: "{\"N\":\"x\"}", lines: true},
		{name: "no JSON", text: "{\"N\":1}\nx\n{\"N\":3}\n", raw: "x", lines: true},
		{name: "line of bad bytes", text: "{\"N\":1}\n\"\xff\"\n{\"N\":3}\n", raw: "\"\xff\"", lines: true},
		{name: "too long a line", text: "{\"N\":1}\n" + strings.Repeat("[", 9000) + "\n{\"N\":3}\n", raw: strings.Repeat("[", 4096), truncated: true, lines: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, inputs := range []sink.Inputs{"", sink.InputsAll, sink.InputsNone} {
				b := memBucket(t)
				put(t, b, map[string]string{"in": c.text})
				src := source.CSV(b, "in", source.Into[amount])
				if c.lines {
					src = source.JSONLines(b, "in", source.JSONLinesOptions[amount]{MaxRecord: 8000})
				}
				_, err := dmap.Map(t.Context(), src, func(context.Context, amount) (int, error) { return 0, nil },
					dmap.Options{RunID: "r", Tolerance: dmap.Tolerance{Count: 1}}, sink.Bucket[int](b, "out", sink.BucketOptions{Inputs: inputs}))
				require.NoError(t, err)
				m, err := results.Load(t.Context(), b, "out", "r")
				require.NoError(t, err)
				n := 0
				for f, err := range results.Failures(t.Context(), b, m) {
					n++
					require.NoError(t, err)
					require.Nil(t, f.Input)
					require.Empty(t, f.InputError)
					if inputs == sink.InputsNone {
						require.Empty(t, f.Raw)
						continue
					}
					require.Equal(t, c.raw, string(f.Raw.Bytes))
					require.Equal(t, c.truncated, f.Raw.Truncated)
				}
				require.Equal(t, 1, n)
			}
		})
	}
}

// A row that was not settled when its run ended is the same in its PENDING record.
func TestAPendingRowThatCannotBeReadIsStoredAsItsBytes(t *testing.T) {
	b := memBucket(t)
	put(t, b, map[string]string{"in": "N\n1\n2\nx\n"})
	started := make(chan *dmap.Run, 1)
	run, err := dmap.Start(t.Context(), source.CSV(b, "in", source.Into[amount]), func(ctx context.Context, _ amount) (int, error) {
		run := <-started
		started <- run
		for run.Stats().Read < 3 && ctx.Err() == nil { // else the last row is unread
			runtime.Gosched()
		}
		return 0, errors.New("bad")
	}, dmap.Options{RunID: "r", MaxConcurrency: 1}, sink.Bucket[int](b, "out"))
	require.NoError(t, err)
	started <- run
	_, err = run.Wait()
	require.ErrorIs(t, err, dmap.ErrTolerance)
	m, err := results.Load(t.Context(), b, "out", "r")
	require.NoError(t, err)
	found := false
	for p, err := range results.Pending(t.Context(), b, m) {
		require.NoError(t, err)
		if p.Class == "read" {
			found = true
			require.Nil(t, p.Input)
			require.Equal(t, "x", string(p.Raw.Bytes))
		}
	}
	require.True(t, found)
}
