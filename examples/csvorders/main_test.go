package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestBadRowsFailAloneAndNameTheirLine(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 4))
	require.Equal(t, `orders.csv@1235: read: object "orders.csv" line 102 (byte 1235), column "amount": "twelve": invalid syntax
orders.csv@2577: read: object "orders.csv" line 202 (byte 2577): 2 fields, the header has 3
orders.csv@3914: order A300: negative amount
orders.csv@5255: read: object "orders.csv" line 402 (byte 5255): 4 fields, the header has 3
1000 rows read: 996 charged, 4 failed, 0 pending; total 50318.86
`, out.String())
}

func TestMoreBadRowsThanToleratedFailTheRun(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), &out, 3)
	require.ErrorIs(t, err, dmap.ErrTolerance)
	require.ErrorContains(t, err, "allowed: 3 items")
}
