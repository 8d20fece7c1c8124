package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProgramReportsSpansAndMetrics(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `span POST /charges has a parent
span dmap.batch has a parent
span POST /charges has a parent
span dmap.batch has a parent, event dmap.item.failed
span POST /charges has a parent
span dmap.batch has a parent
span POST /charges has a parent
span dmap.batch has a parent, event dmap.item.failed
span dmap.run is a root, event dmap.item.failed
metric dmap.batch.duration s
metric dmap.item.retries {retry}
metric dmap.items {item}
`, out.String())
}
