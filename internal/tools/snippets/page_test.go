package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseFindsGoBlocksAndHiddenDeclarations(t *testing.T) {
	p, err := parse("a.md", "# A\n```go\nA()\n```\n```sh\nmake\n```\n<!-- a comment -->\n<!-- go: var x int -->\n<!-- go:\nvar y int\n-->\n"+
		"- item\n  ```go\n  B()\n  \tC()\n  ```\n~~~~go linenos\n```\n~~~\n~~~~\n")
	require.NoError(t, err)
	require.Equal(t, page{"a.md", []block{
		{line: 3, text: "A()"},
		{line: 9, text: "         var x int ", hidden: true},
		{line: 10, text: "        \nvar y int\n", hidden: true},
		{line: 15, text: "B()\n\tC()"},
		{line: 19, text: "```\n~~~"},
	}}, p)
}

func TestParseSkipsABlockWithAReason(t *testing.T) {
	p, err := parse("a.md", "<!-- go: skip, because it is a signature -->\n```sh\nmake\n```\n```go\nA()\n```\n```go\nB()\n```\n")
	require.NoError(t, err)
	require.Equal(t, []block{{line: 9, text: "B()"}}, p.blocks)
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a block without an end":   {"\n```go\nA()\n", "a.md:2: the block has no end"},
		"a comment without an end": {"<!-- go: var x\n", "a.md:1: the comment has no end"},
		"a skip without a reason":  {"<!-- go: skip -->\n", "a.md:1: give the reason"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse("a.md", test.text)
			require.ErrorContains(t, err, test.want)
		})
	}
}
