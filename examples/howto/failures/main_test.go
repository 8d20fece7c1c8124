package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob/memblob"
)

func TestFailuresAreReadWithTheirCauseAndInput(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), "item@875, input 875, after 1 attempts: an odd multiple of 125\n")
	require.Contains(t, out.String(), "item@200, input 200, after 1 attempts: panic: this costs one item, not the program\n")
	require.Regexp(t, `group [0-9a-f]{12}: 4 items, such as item@[0-9]+: an odd multiple of <n>\n`, out.String())
	require.Contains(t, out.String(), "4 of class \"odd\"\n1 of class \"panic\"\n1 of class \"timeout\"\n")
}

func TestARunThatDoesNotExistIsAnError(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	require.ErrorContains(t, report(t.Context(), new(bytes.Buffer), bucket, "no-such-run"), "no manifest")
}
