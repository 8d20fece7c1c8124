package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/tools/typed"
)

// checker type-checks blocks, each together with the declarations of earlier blocks of its page and
// of the prelude.
type checker struct {
	set     *token.FileSet
	prelude *ast.File
	known   map[string]string // import paths by package name: what snippets may use without an import
	imports types.Importer
}

// unit is a block as a file.
type unit struct {
	file    *ast.File
	program bool
	wrapped bool // its statements are the body of a function
}

// check returns the errors of all blocks, with the positions that they have in their pages.
func check(dir, prelude string, pages []page) error {
	c := checker{set: token.NewFileSet(), known: map[string]string{}}
	var err error
	if c.prelude, err = parser.ParseFile(c.set, "prelude.go.txt", prelude, parser.SkipObjectResolution); err != nil {
		return err
	}
	for _, spec := range c.prelude.Imports {
		c.known[importName(spec)] = importPath(spec)
	}
	var errs []error
	units := make([][]unit, len(pages))
	paths := map[string]bool{}
	for i, p := range pages {
		for _, b := range p.blocks {
			u, err := c.parse(p.path, b)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			units[i] = append(units[i], u)
			for _, spec := range u.file.Imports {
				paths[importPath(spec)] = true
			}
		}
	}
	for _, p := range c.known {
		paths[p] = true
	}
	if c.imports, err = typed.Importer(dir, c.set, slices.Sorted(maps.Keys(paths))...); err != nil {
		return errors.Join(append(errs, err)...)
	}
	errs = append(errs, c.check(nil, unit{file: c.prelude})...)
	for _, page := range units {
		for i, u := range page {
			errs = append(errs, c.check(page[:i], u)...)
		}
	}
	return errors.Join(errs...)
}

var (
	startsProgram = regexp.MustCompile(`(?m)^package `)
	elided        = strings.NewReplacer("…", "/*…*/")
)

// parse makes a file of a block: it is a program, or declarations, or statements.
func (c *checker) parse(path string, b block) (unit, error) {
	line := fmt.Sprintf("\n//line %s:%d:1\n", path, b.line)
	if startsProgram.MatchString(b.text) && !b.hidden {
		file, err := c.parseFile(line + b.text + "\n")
		if err != nil {
			return unit{}, err
		}
		if formatted, err := format.Source([]byte(b.text + "\n")); err != nil || string(formatted) != b.text+"\n" {
			return unit{}, fmt.Errorf("%s:%d: the program is not formatted (gofmt)", path, b.line)
		}
		return unit{file: file, program: true}, nil
	}
	text := elided.Replace(b.text)
	file, err := c.parseFile("package p;" + line + text + "\n")
	if err == nil {
		c.addImports(file)
		return unit{file: file}, nil
	}
	if b.hidden || strings.HasPrefix(strings.TrimSpace(text), "import ") {
		return unit{}, err
	}
	if file, err = c.parseFile("package p; func _() (any, error) {" + line + text + "\npanic(nil)}\n"); err != nil {
		return unit{}, err
	}
	body := file.Decls[0].(*ast.FuncDecl).Body
	body.List = nest(body.List)
	c.addImports(file)
	return unit{file: file, wrapped: true}, nil
}

// nest opens a scope where a statement declares only variables that exist already: the block shows
// alternatives, which may have different types.
func nest(statements []ast.Stmt) []ast.Stmt {
	seen := map[string]bool{}
	for i, s := range statements {
		assign, ok := s.(*ast.AssignStmt)
		if !ok || assign.Tok != token.DEFINE {
			continue
		}
		fresh := false
		for _, left := range assign.Lhs {
			if id, ok := left.(*ast.Ident); ok && !seen[id.Name] && id.Name != "_" {
				fresh, seen[id.Name] = true, true
			}
		}
		if !fresh {
			inner := &ast.BlockStmt{Lbrace: s.Pos(), List: nest(statements[i:]), Rbrace: s.End()}
			return append(statements[:i:i], inner)
		}
	}
	return statements
}

func (c *checker) parseFile(text string) (*ast.File, error) {
	file, err := parser.ParseFile(c.set, "", text, parser.SkipObjectResolution)
	if list := (scanner.ErrorList)(nil); errors.As(err, &list) {
		return nil, list[0] // what follows the first error of a parser is seldom of use
	}
	return file, err
}

// addImports imports the packages that a snippet uses and the prelude knows.
func (c *checker) addImports(file *ast.File) {
	used := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if id, ok := selector.X.(*ast.Ident); ok && c.known[id.Name] != "" {
				used[id.Name] = true
			}
		}
		return true
	})
	for _, spec := range file.Imports {
		delete(used, importName(spec))
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		spec := &ast.ImportSpec{Name: ast.NewIdent(name), Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(c.known[name])}}
		file.Imports = append(file.Imports, spec)
		file.Decls = append([]ast.Decl{&ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{spec}}}, file.Decls...)
	}
}

// check returns the errors in a block. A program stands alone. A snippet sees the declarations of
// earlier blocks of its page, the latest of each name, and else those of the prelude.
func (c *checker) check(earlier []unit, u unit) []error {
	files := []*ast.File{u.file}
	if !u.program && u.file != c.prelude {
		taken := declared(u.file)
		for _, e := range slices.Backward(earlier) {
			files = append(files, without(e.file, taken))
			maps.Copy(taken, declared(e.file))
		}
		files = append(files, without(c.prelude, taken))
	}
	var errs []error
	config := types.Config{Importer: c.imports, Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) && c.within(u.file, e.Pos) && !u.tolerates(e) {
			errs = append(errs, fmt.Errorf("%s: %s", c.set.Position(e.Pos), e.Msg))
		}
	}}
	for _, f := range files {
		f.Name = ast.NewIdent(u.file.Name.Name)
	}
	_, _ = config.Check("p", c.set, files, nil)
	return errs
}

func (c *checker) within(file *ast.File, pos token.Pos) bool {
	return c.set.File(pos) == c.set.File(file.Package)
}

// tolerates says whether an error is usual in a snippet: a variable or import that is not used, a
// variable that is declared again, and a return statement with the results of the function around
// it, which the reader does not see.
func (u unit) tolerates(e types.Error) bool {
	if u.program {
		return false
	}
	return e.Soft || u.wrapped && strings.HasSuffix(firstLine(e.Msg), "return values") && !inFunction(u.file, e.Pos)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// inFunction says whether a position is inside a function literal.
func inFunction(file *ast.File, pos token.Pos) (inside bool) {
	ast.Inspect(file, func(node ast.Node) bool {
		if f, ok := node.(*ast.FuncLit); ok && f.Pos() <= pos && pos < f.End() {
			inside = true
		}
		return !inside
	})
	return inside
}

// declared returns the names that a file declares at its top level, imports not among them.
func declared(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names[d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, id := range specNames(spec) {
					names[id.Name] = true
				}
			}
		}
	}
	delete(names, "_")
	return names
}

func specNames(spec ast.Spec) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return []*ast.Ident{s.Name}
	case *ast.ValueSpec:
		return s.Names
	}
	return nil
}

// without returns a file without the declarations of names that are taken, without main and without
// methods of types that are taken.
func without(file *ast.File, taken map[string]bool) *ast.File {
	kept := &ast.File{Package: file.Package, Name: file.Name, Imports: file.Imports}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d)
			}
			if !taken[name] && name != "main" && name != "_" {
				kept.Decls = append(kept.Decls, d)
			}
		case *ast.GenDecl:
			rest := &ast.GenDecl{TokPos: d.TokPos, Tok: d.Tok, Lparen: d.Lparen, Rparen: d.Rparen}
			for _, spec := range d.Specs {
				if !slices.ContainsFunc(specNames(spec), func(id *ast.Ident) bool { return taken[id.Name] }) {
					rest.Specs = append(rest.Specs, spec)
				}
			}
			kept.Decls = append(kept.Decls, rest)
		}
	}
	return kept
}

func receiver(d *ast.FuncDecl) (name string) {
	ast.Inspect(d.Recv.List[0].Type, func(node ast.Node) bool {
		if id, ok := node.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	return p
}

func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(importPath(spec))
}
