package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachPaymentHasTheOutcomeThatWasDecided(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, nil))
	require.Equal(t, `3 paid, 4 held, the run is open
held: payments.jsonl@26: 990000 cents to Bob, input {"to":"Bob","cents":990000}
held: payments.jsonl@81: 250000 cents to Dan, input {"to":"Dan","cents":250000}
held: payments.jsonl@109: 7000000 cents to Eve, input {"to":"Eve","cents":7000000}
held: payments.jsonl@163: 120000 cents to Gus, input {"to":"Gus","cents":120000}
5 paid, 1 failed, 1 held, the run is open
held: payments.jsonl@163: 120000 cents to Gus, input {"to":"Gus","cents":120000}
6 paid, 1 failed, 0 held, the run is ended
paid Bob, approved by alice
paid Dan, approved by carol
paid Gus, approved by alice
rejected payments.jsonl@109: rejected by bob: no invoice (it was held: 7000000 cents to Eve)
`, out.String())
}
