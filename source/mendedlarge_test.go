package source_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/sink/results"
	"github.com/go-dmap/dmap/source"
)

// dividedRows runs over the rows of an object that is read in parts of 2,000 bytes, and counts the
// calls of each. It suspends the run after some calls; 0: never.
type dividedRows struct {
	in, out *blob.Bucket
	calls   map[string]int
}

func (d *dividedRows) run(t *testing.T, suspendAfter int) (dmap.Stats, error) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	started := make(chan *dmap.Run, 1)
	opts := dmap.Options{RunID: "r", MaxConcurrency: 4, Redrive: dmap.Redrive{Max: 9, Canceled: true}}
	run, err := dmap.Start(t.Context(), source.Divide(source.CSV(d.in, "rows.csv", source.Strings), 2000), func(_ context.Context, row []string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		d.calls[row[0]]++
		if n++; n == suspendAfter {
			(<-started).Suspend()
		}
		return row[0], nil
	}, opts, sink.Bucket[string](d.out, "runs"))
	if err != nil {
		return dmap.Stats{}, err
	}
	started <- run
	return run.Wait()
}

func (d *dividedRows) put(t *testing.T, content string) {
	t.Helper()
	require.NoError(t, d.in.WriteAll(t.Context(), "rows.csv", []byte(content), nil))
}

// An object that is divided may be shorter or longer than it was, or no text: it counts once.
func TestADividedObjectThatChangedIsABrokenObjectInARedrive(t *testing.T) {
	for name, other := range map[string]string{
		"longer": numbered(9000), "shorter": numbered(30), "one row": "id,text\n1,2\n", "open quote": numbered(4000) + "\"", "binary": strings.Repeat("\x00\xff\"", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			d := &dividedRows{memory(t, nil), memory(t, nil), map[string]int{}}
			d.put(t, numbered(5000))
			_, err := d.run(t, 1500)
			require.ErrorIs(t, err, dmap.ErrSuspended)
			require.NoError(t, sink.End(t.Context(), d.out, "runs", "r"))
			d.put(t, other)
			called := len(d.calls)
			for range 2 {
				stats, err := d.run(t, 0)
				require.ErrorIs(t, err, dmap.ErrTolerance)
				require.ErrorContains(t, err, "it changed after a part of it was read")
				require.EqualValues(t, 1, stats.BrokenObjects)
				require.Len(t, d.calls, called)
				m, err := results.Load(t.Context(), d.out, "runs", "r")
				require.NoError(t, err)
				require.Len(t, m.Broken, 1)
				require.NotEmpty(t, m.Unread.Splits)
				last := m.Unread.Splits[len(m.Unread.Splits)-1]
				require.Equal(t, dmap.Cursor{}, last.To, "up to the end")
			}
		})
	}
}

// A divided object whose last rows were damaged is read on, in parts.
func TestADividedObjectIsMended(t *testing.T) {
	d := &dividedRows{memory(t, nil), memory(t, nil), map[string]int{}}
	d.put(t, numbered(3000)+"3000,\"open\n")
	stats, err := d.run(t, 0)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.EqualValues(t, 1, stats.BrokenObjects)
	require.EqualValues(t, 3000, stats.Succeeded)
	d.put(t, numbered(9000))
	_, err = d.run(t, 2000)
	require.ErrorIs(t, err, dmap.ErrSuspended)
	for errors.Is(err, dmap.ErrOpen) {
		stats, err = d.run(t, 0)
	}
	require.NoError(t, err)
	require.EqualValues(t, 9000, stats.Succeeded)
	require.EqualValues(t, 9000, stats.Read)
	require.Len(t, d.calls, 9000)
	for row, calls := range d.calls {
		require.Equal(t, 1, calls, row)
	}
}
