package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestExportedCountsNamesOfThePackageOnly(t *testing.T) {
	p := typedtest.Load(t, "fixture", map[string]string{
		"p.go": `package p

const (
	C = 1
	c = 2
)

var V, w int

func F() {}
func f() {}

type T struct{ Field int }

func (T) Method() {}
`,
		"p_test.go": "package p\n\nfunc ForTests() {}\n",
	})[0]
	require.Equal(t, 4, exported(p.Types))
}
