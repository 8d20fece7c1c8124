package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestLargestCircle(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  circle
	}{
		"a chain is no circle": {map[string]string{
			"a.go": "package p\n\nfunc A() { B() }\n",
			"b.go": "package p\n\nfunc B() { C() }\n",
			"c.go": "package p\n\nfunc C() {}\n",
		}, circle{1, 3}},
		"functions": {map[string]string{
			"a.go": "package p\n\nfunc A() { B() }\n",
			"b.go": "package p\n\nfunc B() { A() }\n",
			"c.go": "package p\n\nfunc C() { A() }\n",
		}, circle{2, 6}},
		"through a third file": {map[string]string{
			"a.go": "package p\n\nfunc A() { B() }\n",
			"b.go": "package p\n\nfunc B() { C() }\n",
			"c.go": "package p\n\nfunc C() { A() }\n",
		}, circle{3, 9}},
		"a method and a type": {map[string]string{
			"a.go": "package p\n\ntype T struct{}\n",
			"b.go": "package p\n\nfunc (t T) B() { t.C() }\n",
			"c.go": "package p\n\nfunc (t T) C() { t.B() }\n",
		}, circle{2, 6}},
		"a local variable of the same name": {map[string]string{
			"a.go": "package p\n\nfunc A() { B() }\n",
			"b.go": "package p\n\nfunc B() { A := 1; _ = A }\n",
		}, circle{1, 3}},
		"tests do not count": {map[string]string{
			"a.go":      "package p\n\nfunc A() { B() }\n",
			"b.go":      "package p\n\nfunc B() {}\n",
			"b_test.go": "package p\n\nfunc C() { A() }\n",
		}, circle{1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			packages := typedtest.Load(t, "fixture", test.files)
			require.Len(t, packages, 1)
			require.Equal(t, test.want, largestCircle(packages[0]))
		})
	}
}

func TestAFieldOfAnInstanceRefersToItsGenericType(t *testing.T) {
	p := typedtest.Load(t, "fixture", map[string]string{
		"a.go": "package p\n\ntype T[E any] struct{ f E }\n\nfunc (T[E]) m() {}\n",
		"b.go": "package p\n\nfunc B() int { return (*U)(nil).f }\n",
		"c.go": "package p\n\nfunc C() { U.m(U{}) }\n",
		"u.go": "package p\n\ntype U = T[int]\n",
	})[0]
	names := map[string][]string{}
	for from, tos := range references(p) {
		for _, to := range tos {
			names[filepath.Base(from.Name())] = append(names[filepath.Base(from.Name())], filepath.Base(to.Name()))
		}
	}
	require.Equal(t, map[string][]string{"b.go": {"u.go", "a.go"}, "c.go": {"u.go", "a.go"}, "u.go": {"a.go"}}, names)
}

func TestCirclesOfOneGraph(t *testing.T) {
	sizes := map[int]int{}
	for _, c := range circles(map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}, "f": nil}) {
		sizes[len(c)]++
	}
	require.Equal(t, map[int]int{1: 1, 2: 1, 3: 1}, sizes)
}
