package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

func TestDescribe(t *testing.T) {
	for name, test := range map[string]struct{ code, want string }{
		"constants and variables": {
			"const A, b = 1, 2\n\nconst S string = \"x y\"\n\nvar V, w error",
			"const A untyped int = 1\nconst S string = \"x y\"\nvar V error\n",
		},
		"functions": {
			"func F[T any](a T, rest ...context.Context) (n int, err error) { return }\n\nfunc g() {}",
			"func F[T any](a T, rest ...context.Context) (n int, err error)\n",
		},
		"a struct": {
			"type S[T interface{ ~int }] struct {\n\tB T `json:\"b\"`\n\tA []S[T]\n\tc int\n}\n\nfunc (*S[T]) P() {}\n\nfunc (S[T]) M(x int) T { return 0 }\n\nfunc (S[T]) n() {}",
			"type S[T interface{~int}] struct\ntype S struct, B T `json:\"b\"`\ntype S struct, A []S[T]\ntype S struct, unexported fields\n" +
				"method (*S) P()\nmethod (S) M(x int) T\n",
		},
		"promoted fields and methods": {
			"type S struct {\n\tinner\n\t*Outer\n}\n\ntype inner struct{ In int }\n\nfunc (*inner) P() {}\n\ntype Outer struct{ Out int }\n\nfunc (*Outer) Q() {}",
			"type Outer struct\ntype Outer struct, Out int\nmethod (*Outer) Q()\n" +
				"type S struct\ntype S struct, In int\ntype S struct, Outer (embedded *Outer)\ntype S struct, unexported fields\nmethod (*S) P()\nmethod (S) Q()\n",
		},
		"an interface": {
			"type I interface {\n\tB(ctx context.Context) error\n\tJ\n\thidden()\n}\n\ntype J interface{ A() }\n\ntype K interface{ ~int | ~string }",
			"type I interface\ntype I interface, A()\ntype I interface, B(ctx context.Context) error\ntype I interface, unexported methods\n" +
				"type J interface\ntype J interface, A()\ntype K interface\ntype K interface, ~int | ~string\n",
		},
		"an alias and other types": {
			"type A = context.Context\n\ntype F func(a int) error\n\nfunc (F) M() {}\n\ntype M map[string]F",
			"type A = context.Context\ntype F func(a int) error\nmethod (F) M()\ntype M map[string]F\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			code := "package p\n\n"
			if strings.Contains(test.code, "context.") {
				code += "import \"context\"\n\n"
			}
			p := typedtest.Load(t, "fixture", map[string]string{"p.go": code + test.code + "\n"})[0]
			require.Equal(t, "package p\n"+test.want, describe(p.Types))
		})
	}
}
