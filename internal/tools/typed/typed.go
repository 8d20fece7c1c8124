// Package typed loads packages with their syntax and types. It type-checks the named packages from
// source and reads the export data that `go list -export` has in the build cache for everything
// that they import.
package typed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is one package without its tests.
type Package struct {
	Path  string // import path
	Name  string
	Set   *token.FileSet
	Files []*ast.File
	Types *types.Package
	Info  *types.Info
}

// Load returns the packages that match the patterns of `go list`, run in dir, in the order of their
// import paths.
func Load(dir string, patterns ...string) ([]*Package, error) {
	listed, err := list(dir, patterns)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	imports := exported(set, listed)
	var loaded []*Package
	for _, l := range listed {
		if l.DepOnly {
			continue
		}
		p, err := check(l, set, imports)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, p)
	}
	slices.SortFunc(loaded, func(a, b *Package) int { return strings.Compare(a.Path, b.Path) })
	return loaded, nil
}

// Importer returns an importer of the given packages, as code in dir may import them.
func Importer(dir string, set *token.FileSet, paths ...string) (types.Importer, error) {
	if len(paths) == 0 {
		return exported(set, nil), nil // go list without a pattern is about the package in dir
	}
	listed, err := list(dir, paths)
	if err != nil {
		return nil, err
	}
	return exported(set, listed), nil
}

// exported returns an importer of packages whose export data `go list` has named.
func exported(set *token.FileSet, listed []entry) types.Importer {
	files := map[string]string{}
	for _, l := range listed {
		files[l.ImportPath] = l.Export
	}
	return importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("%s has no export data", path)
		}
		return os.Open(files[path])
	})
}

// entry is what `go list -json` prints about one package.
type entry struct {
	ImportPath, Name, Dir, Export string
	DepOnly                       bool
	GoFiles                       []string
}

func list(dir string, patterns []string) ([]entry, error) {
	args := append([]string{"list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,DepOnly,GoFiles", "--"}, patterns...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, stderr.Bytes())
	}
	var all []entry
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var e entry
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list in %s: %w", dir, err)
		}
		all = append(all, e)
	}
}

func check(l entry, set *token.FileSet, imports types.Importer) (*Package, error) {
	p := &Package{Path: l.ImportPath, Name: l.Name, Set: set, Info: &types.Info{
		Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}}
	for _, name := range l.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.Files = append(p.Files, file)
	}
	config := types.Config{Importer: imports}
	var err error
	if p.Types, err = config.Check(l.ImportPath, set, p.Files, p.Info); err != nil {
		return nil, fmt.Errorf("type-check %s: %w", l.ImportPath, err)
	}
	return p, nil
}
