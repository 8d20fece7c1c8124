package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProgramPrintsASpanForEachCall(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `run begins, resumed: false
run/item 0, attempt 1: <nil>
run/item 1, attempt 1: busy
run/item 2, attempt 1: <nil>
run/item 1, attempt 2: <nil>
run ends: ended succeeded
observed 4 calls, 1 retries; the run counts 4 and 1
`, out.String())
}
