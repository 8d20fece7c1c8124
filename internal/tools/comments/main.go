// Command comments draws comments of the library at random, for a reader to judge whether each is
// clear at the first reading. The seed is printed and repeats a draw.
//
//	comments [-C repository] [-n 30] [-seed 7]
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	root := flag.String("C", ".", "folder of the repository")
	n := flag.Int("n", 30, "number of comments")
	seed := flag.Uint64("seed", 0, "seed of the draw; 0: a random one")
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000)
	}
	if err := draw(os.Stdout, *root, *n, *seed); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// comment is one comment group.
type comment struct {
	file string
	line int
	text string
}

// draw prints n comments of the tracked Go files without tests.
func draw(w io.Writer, root string, n int, seed uint64) error {
	cmd := exec.Command("git", "-C", root, "ls-files", "*.go", ":!*_test.go")
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the tracked files of %q: %w", root, err)
	}
	var all []comment
	for _, name := range strings.Fields(string(list)) {
		found, err := commentsOf(root, name)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	if n > len(all) {
		return fmt.Errorf("there are %d comments: fewer than %d", len(all), n)
	}
	fmt.Fprintf(w, "%d of %d comments, seed %d\n", n, len(all), seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	for i, at := range dice.Perm(len(all))[:n] {
		c := all[at]
		fmt.Fprintf(w, "\n%d. %s:%d\n%s\n", i+1, c.file, c.line, c.text)
	}
	return nil
}

// commentsOf returns the comment groups of a file, without directives.
func commentsOf(root, name string) ([]comment, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(root, name), nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var out []comment
	for _, group := range file.Comments {
		if text := strings.TrimSpace(group.Text()); text != "" {
			out = append(out, comment{name, files.Position(group.Pos()).Line, textWithCode(files, file, group, text)})
		}
	}
	return out, nil
}

// textWithCode adds the declaration that a doc comment belongs to.
func textWithCode(files *token.FileSet, file *ast.File, group *ast.CommentGroup, text string) string {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == group {
				return text + "\n\tfunc " + d.Name.Name
			}
		case *ast.GenDecl:
			if d.Doc == group {
				return fmt.Sprintf("%s\n\t%s at line %d", text, d.Tok, files.Position(d.Pos()).Line)
			}
		}
	}
	return text
}
