package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestMeasurePackageNamesItsNumbers(t *testing.T) {
	n := numbers{}
	for _, p := range typedtest.Load(t, module, map[string]string{
		"dmap/a.go":             "package dmap\n\ntype engine struct{ Name string }\n\nfunc A() { b() }\n",
		"dmap/b.go":             "package dmap\n\nfunc b() { A() }\n",
		"sink/results/a.go":     "package results\n\nfunc A() { B() }\n",
		"sink/results/b.go":     "package results\n\nfunc B() { A() }\n",
		"internal/listing/a.go": "package listing\n\nfunc A() {}\n",
		"examples/demo/main.go": "package main\n\nfunc A() {}\n\nfunc main() {}\n",
	}) {
		require.NoError(t, measurePackage(p, n))
	}
	require.Equal(t, numbers{
		"exported/dmap": 1, "circle/dmap/files": 2, "circle/dmap/lines": 8,
		"engine/fields": 1, "engine/methods": 0, "engine/fields-that-hold-it": 0,
		"exported/sink/results": 2, "circle/sink/results/files": 2, "circle/sink/results/lines": 6,
	}, n)
}

func TestARepositoryWithoutAnEngineIsAnError(t *testing.T) {
	p := typedtest.Load(t, module, map[string]string{"dmap/a.go": "package dmap\n"})[0]
	require.ErrorContains(t, measurePackage(p, numbers{}), "has no type engine")
}
