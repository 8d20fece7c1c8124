package testsize

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// make test runs the tests that do less with the race detector a second time, without it: those
// that UNRACED of the Makefile matches, in the packages that FULL names.
func TestTheMakefileNamesEveryTestThatDoesLessWithTheRaceDetector(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	list := regexp.MustCompile(`(?m)^UNRACED\s*:=\s*(\S+)$`).FindSubmatch(makefile)
	require.NotNil(t, list)
	require.Regexp(t, `(?m)^\t.*-run '\$\(UNRACED\)' .*\$\(FULL\)$`, string(makefile))
	full := regexp.MustCompile(`(?m)^FULL\s*:=\s*(.+)$`).FindSubmatch(makefile)
	require.NotNil(t, full)
	tests := map[string]string{} // the directory of each
	for dir, decls := range testDecls(t, "../..") {
		for name := range racing(decls) {
			if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
				tests[name] = dir
			}
		}
	}
	require.Greater(t, len(tests), 4)
	used := map[string]bool{}
	for name, dir := range tests {
		require.Contains(t, strings.Fields(string(full[1])), "./"+dir, "make test runs %s of this package only with the race detector", name)
		found := false
		for _, pattern := range strings.Split(string(list[1]), "|") {
			test, _, _ := strings.Cut(pattern, "/")
			if regexp.MustCompile(test).MatchString(name) {
				found, used[pattern] = true, true
			}
		}
		require.True(t, found, "UNRACED in the Makefile does not match %s, which does less with the race detector", name)
	}
	for _, pattern := range strings.Split(string(list[1]), "|") {
		require.True(t, used[pattern], "%s in UNRACED matches no test that does less with the race detector", pattern)
	}
}

// testDecls returns the top-level declarations of the test files of each directory that uses this
// package, by their names.
func testDecls(t *testing.T, root string) map[string]map[string]ast.Node {
	t.Helper()
	all := map[string]map[string]ast.Node{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if all[dir] == nil {
			all[dir] = map[string]ast.Node{}
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				all[dir][d.Name.Name] = d
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range v.Names {
							all[dir][name.Name] = v
						}
					}
				}
			}
		}
		return nil
	}))
	return all
}

// racing returns the names of the declarations that use RaceDetector or a Sizes with Race, or
// another of these declarations.
func racing(decls map[string]ast.Node) map[string]bool {
	found := map[string]bool{}
	for before := -1; before < len(found); {
		before = len(found)
		for name, decl := range decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				if n != nil && (usesRace(n) || found[usedBy(n)]) {
					found[name] = true
				}
				return true
			})
		}
	}
	return found
}

// usedBy returns the name of the function that n calls, or of the variable whose method n names.
func usedBy(n ast.Node) string {
	var used ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		used = n.Fun
	case *ast.SelectorExpr:
		used = n.X
	}
	if id, ok := used.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// usesRace reports whether n is RaceDetector or a Sizes with Race.
func usesRace(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		return isOurs(n, "RaceDetector")
	case *ast.CompositeLit:
		if !isOurs(n.Type, "Sizes") {
			return false
		}
		for _, element := range n.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok { // all four fields
				return true
			}
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Race" {
				return true
			}
		}
	}
	return false
}

// isOurs reports whether e is a name of this package, as other packages write it.
func isOurs(e ast.Expr, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := selector.X.(*ast.Ident)
	return ok && of.Name == "testsize" && selector.Sel.Name == name
}
