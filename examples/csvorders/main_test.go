package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

func TestBadRowsFailAloneAndNameTheirLine(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 4, nil))
	require.Equal(t, `orders.csv@1235: read: object "orders.csv" line 102 (byte 1235), column "amount": "twelve": invalid syntax
orders.csv@2577: read: object "orders.csv" line 202 (byte 2577): 2 fields, the header has 3
orders.csv@3914: order A300: negative amount
orders.csv@5255: read: object "orders.csv" line 402 (byte 5255): 4 fields, the header has 3
1000 rows read: 996 charged, 4 failed, 0 pending; total 50318.86
`, out.String())
}

func TestMoreBadRowsThanToleratedFailTheRun(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), &out, 3, nil)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorContains(t, err, "allowed: 3 items")
}

func TestOrdersWithBackslashesAndInBoundedMemory(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	require.NoError(t, bucket.WriteAll(t.Context(), "orders.csv", []byte("id,amount,rate\nA\\,1,100,10\n"), nil))
	ids := func(orders dmap.Source[Order], count int64) (ids []string) {
		_, err := dmap.Map(t.Context(), orders, func(_ context.Context, o Order) (Receipt, error) {
			ids = append(ids, o.ID)
			return charge(t.Context(), o)
		}, dmap.Options{MaxConcurrency: 1, Tolerance: dmap.Tolerance{Count: count}})
		require.NoError(t, err)
		return ids
	}
	escaped := source.CSV(bucket, "orders.csv", source.Into[Order], source.CSVOptions{Dialect: source.StepFunctionsCSV})
	require.Equal(t, []string{"A,1"}, ids(escaped, 0))

	bounded := source.CSV(bucket, "orders.csv", source.Into[Order], source.CSVOptions{Memory: 64 << 20})
	require.Empty(t, ids(bounded, 1), "without the dialect the row has a field too many")
}
