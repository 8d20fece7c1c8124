package dmapotel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func TestTheEngineIsOneOfAFewValues(t *testing.T) {
	require.Equal(t, "local", engineOf(dmap.RunStart{}))
	require.Equal(t, "temporal", engineOf(dmap.RunStart{Engine: "temporal"}))
	require.Equal(t, "other", engineOf(dmap.RunStart{Engine: "r-20261127"}))
}
