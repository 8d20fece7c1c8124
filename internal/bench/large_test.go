package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllCasesReadTheWholeLargeObject(t *testing.T) {
	for _, table := range large() {
		dir := t.TempDir()
		if table.prepare != nil {
			require.NoError(t, table.prepare(t.Context(), dir, 2))
		}
		var first outcome
		for i, c := range table.cases {
			got, err := c.run(t.Context(), workload{Dir: dir, N: 2})
			require.NoError(t, err, "%s: %s", table.name, c.name)
			require.Positive(t, got.Succeeded)
			require.Greater(t, got.Bytes, int64(2<<20))
			got.Counts = nil
			if i == 0 {
				first = got
			}
			require.Equal(t, first, got, "%s: %s", table.name, c.name)
		}
	}
}

func TestRepeatedReadsAtAnyOffset(t *testing.T) {
	object := repeated{[]byte("head"), []byte("body"), 3}
	all := []byte("headbodybodybody")
	require.Equal(t, int64(len(all)), object.size())
	for at := range len(all) + 2 {
		for n := range len(all) + 2 {
			p := make([]byte, n)
			got, err := object.ReadAt(p, int64(at))
			want := all[min(at, len(all)):min(at+n, len(all))]
			require.True(t, bytes.Equal(want, p[:got]))
			require.Equal(t, got < n, err == io.EOF)
		}
	}
}
