// Command snippets type-checks every Go block of the Markdown files of the repository.
// CONTRIBUTING.md says how to write one.
//
//	snippets [-C repository]
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed prelude.go.txt
var prelude string

func main() {
	root := flag.String("C", ".", "folder of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string) error {
	cmd := exec.Command("git", "ls-files", "-z", "--deduplicate", "--", "*.md")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git ls-files in %s: %w", root, err)
	}
	var pages []page
	for _, path := range strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		} else if err != nil {
			return err
		}
		p, err := parse(path, string(text))
		if err != nil {
			return err
		}
		pages = append(pages, p)
	}
	return check(root, prelude, pages)
}
