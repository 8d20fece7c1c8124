package dmap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAChoiceWithoutARedriveIsRefused(t *testing.T) {
	for name, r := range map[string]Redrive{
		"changed": {Changed: true}, "canceled": {Canceled: true}, "tolerated": {Tolerated: true}, "glob": {Glob: "*"}, "classes": {Classes: []string{"a"}},
	} {
		require.ErrorContains(t, r.validate(), "no effect without Max or Limit", name)
		r.Max = 1
		require.NoError(t, r.validate(), name)
		r.Max, r.Limit = 0, 1
		require.NoError(t, r.validate(), name)
	}
}
