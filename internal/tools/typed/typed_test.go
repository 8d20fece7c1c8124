package typed_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed"
	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestLoadKnowsTheTypesOfImportedPackages(t *testing.T) {
	packages := typedtest.Load(t, "fixture", map[string]string{
		"a/a.go":      "package a\n\nimport (\n\t\"context\"\n\t\"fixture/b\"\n)\n\nfunc F(context.Context) b.T { return 1 }\n",
		"a/a_test.go": "package a\n\nfunc OnlyInTests() {}\n",
		"b/b.go":      "package b\n\ntype T int\n",
	})
	require.Len(t, packages, 2)
	require.Equal(t, "fixture/a", packages[0].Path)
	require.Equal(t, []string{"F"}, packages[0].Types.Scope().Names())
	require.Equal(t, "func fixture/a.F(context.Context) fixture/b.T", packages[0].Types.Scope().Lookup("F").String())
}

func TestLoadReportsAPackageThatDoesNotCompile(t *testing.T) {
	dir := typedtest.Write(t, "fixture", map[string]string{"a.go": "package a\n\nvar X int = \"no number\"\n"})
	_, err := typed.Load(dir, "./...")
	require.ErrorContains(t, err, "a.go:3:13")
}
