package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValuesAreDecodedByTheProgramsOwnFunctions(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	for _, want := range []string{
		"  {ID:A1 Price:1250}\n", `line 3 (byte 18), column "price": "free": want an amount such as 12.50`, // by source.Into
		"  1250\n  read: object", "  99\n", // by prices
		"  {Path:/missing Status:404}\n", "1 fields, want method, path and status\n", // by parseRequest
	} {
		require.Contains(t, out.String(), want)
	}
}
