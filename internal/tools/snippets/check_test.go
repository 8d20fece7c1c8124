package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

const testPrelude = `package p

import (
	"context"
	"fmt"
	"strings"
)

type Order struct{ ID string }

func (o Order) Name() string { return o.ID }

var (
	ctx   context.Context
	order Order
)

func charge(ctx context.Context, o Order) (int, error)
`

// checkPage checks one page in which ”' stands for a fence.
func checkPage(t *testing.T, prelude, text string) error {
	t.Helper()
	p, err := parse("a.md", strings.ReplaceAll(text, "'''", "```"))
	require.NoError(t, err)
	return check(typedtest.Write(t, "fixture", nil), prelude, []page{p})
}

func TestBlocksThatCompile(t *testing.T) {
	for name, text := range map[string]string{
		"a program":                        "'''go\npackage main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n'''",
		"statements with the prelude":      "'''go\nn, err := charge(ctx, order)\nfmt.Println(strings.ToUpper(order.Name()), n)\n'''",
		"variables that are not used":      "'''go\nn, err := charge(ctx, order)\n'''",
		"declarations":                     "'''go\ntype T struct{ o Order }\n\nfunc f() T { return T{order} }\n'''",
		"declarations with an import":      "'''go\nimport \"os\"\n\nfunc f() { os.Exit(1); fmt.Print() }\n'''",
		"an own type instead":              "'''go\ntype Order struct{ Amount int }\n'''\n'''go\nfmt.Print(Order{Amount: 1})\n'''",
		"a type of the page's program":     "'''go\npackage main\n\ntype T int\n\nfunc main() {}\n'''\n'''go\nfmt.Print(T(1))\n'''",
		"a type of an earlier block":       "'''go\ntype T int\n'''\n'''go\nfmt.Print(T(1))\n'''",
		"a hidden declaration":             "<!-- go: var hidden string -->\n'''go\nfmt.Print(strings.ToUpper(hidden))\n'''",
		"alternatives":                     "'''go\nx := 1\nx := \"a\"\nfmt.Print(strings.ToUpper(x))\n'''",
		"returns of an unseen function":    "'''go\nif true {\n\treturn fmt.Errorf(\"a\")\n}\nreturn 1, 2, nil\n'''",
		"what is elided":                   "'''go\nif order.ID == \"\" { … }\n…\nfmt.Print(order)\n'''",
		"main and init of several blocks":  "'''go\npackage main\n\nfunc main() {}\n'''\n'''go\npackage main\n\nfunc main() {}\n'''",
		"a local name like that of a page": "'''go\ncontext := \"a\"\nfmt.Print(strings.ToUpper(context))\n'''",
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, checkPage(t, testPrelude, text)) })
	}
}

func TestBlocksThatDoNotCompile(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a name that nobody declares":      {"# A\n\n'''go\nfmt.Print(order)\n\tfmt.Print(missing)\n'''", "a.md:5:12: undefined: missing"},
		"a wrong argument":                 {"'''go\ncharge(order)\n'''", "a.md:2:13: not enough arguments in call to charge"},
		"a wrong argument in a closure":    {"'''go\nf := func() error {\n\treturn nil, nil\n}\n'''", "a.md:3:14: too many return values"},
		"a method that does not exist":     {"'''go\norder.Missing()\n'''", "a.md:2:7: order.Missing undefined"},
		"a package that nobody knows":      {"'''go\nos.Exit(1)\n'''", "a.md:2:1: undefined: os"},
		"a function that does not exist":   {"'''go\nstrings.Missing()\n'''", "a.md:2:9: undefined: strings.Missing"},
		"a syntax error in statements":     {"'''go\nif true {\n'''", "a.md:"},
		"a syntax error in a program":      {"'''go\npackage main\n\nfunc main( {}\n'''", "a.md:4:"},
		"an unused variable of a program":  {"'''go\npackage main\n\nfunc main() { x := 1 }\n'''", "a.md:4:15: declared and not used: x"},
		"a program that is not formatted":  {"'''go\npackage main\nfunc main() {}\n'''", "a.md:2: the program is not formatted"},
		"a program that needs the prelude": {"'''go\npackage main\n\nfunc main() { fmt.Print() }\n'''", "a.md:4:15: undefined: fmt"},
		"a declaration":                    {"'''go\ntype T struct{ m Missing }\n'''", "a.md:2:18: undefined: Missing"},
		"a hidden declaration":             {"<!-- go: var x Missing -->", "a.md:1:16: undefined: Missing"},
		"hidden statements":                {"<!-- go: x := 1 -->", "a.md:1:10: expected declaration"},
		"a later block's type":             {"'''go\nvar x T\n'''\n'''go\ntype T int\n'''", "a.md:2:7: undefined: T"},
		"the type of an alternative":       {"'''go\nx := \"a\"\nx := 1\nfmt.Print(strings.ToUpper(x))\n'''", "a.md:4:27: cannot use x"},
		"a list's block":                   {"1. A\n   '''go\n   missing()\n   '''", "a.md:3:"},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, checkPage(t, testPrelude, test.text), test.want) })
	}
}

func TestEveryBrokenBlockIsNamed(t *testing.T) {
	err := checkPage(t, testPrelude, "'''go\nif {\n'''\n'''go\nmissing()\n'''\n'''go\ntype T missing\n'''")
	require.ErrorContains(t, err, "a.md:2:")
	require.ErrorContains(t, err, "a.md:5:")
	require.ErrorContains(t, err, "a.md:8:")
}

func TestAnErrorInThePreludeIsNamed(t *testing.T) {
	require.ErrorContains(t, checkPage(t, "package p\n\nvar x Missing\n", "# Nothing\n"), "prelude.go.txt:3:7: undefined: Missing")
}

func TestAPackageThatDoesNotExistIsNamed(t *testing.T) {
	err := checkPage(t, testPrelude, "'''go\npackage main\n\nimport \"fixture/missing\"\n\nfunc main() { missing.F() }\n'''")
	require.ErrorContains(t, err, "fixture/missing")
}
