package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestEachInvoiceIsOneRowAfterRetriesAndRepetition(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, nil))
	// 300 invoices of 1000 + 7i cents; those divisible by ten are written twice in each run.
	require.Equal(t, `300 invoices, 330 calls including 30 retries: 300 rows, 6139.50 in total
300 invoices, 330 calls including 30 retries: 300 rows, 6139.50 in total
`, out.String())
}

func TestEachRunIDWritesItsOwnRows(t *testing.T) {
	db, err := open(t.Context(), filepath.Join(t.TempDir(), "invoices.db"))
	require.NoError(t, err)
	defer db.Close()
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	require.NoError(t, bucket.WriteAll(t.Context(), "a", []byte(`{"number": "R-1", "cents": 1}`), nil))
	require.NoError(t, bucket.WriteAll(t.Context(), "b", []byte(`not an invoice`), nil))
	table := &table{db: db}
	for _, id := range []string{"one", "one", "two"} {
		_, err := dmap.Map(t.Context(), source.Objects(bucket, ""), table.put,
			dmap.Options{RunID: id, Tolerance: dmap.Tolerance{Count: 1}})
		require.NoError(t, err)
	}
	rows, cents, err := table.sum(t.Context())
	require.NoError(t, err)
	require.Equal(t, [2]int64{2, 2}, [2]int64{rows, cents})
}
