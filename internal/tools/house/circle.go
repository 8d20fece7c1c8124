package main

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/go-dmap/dmap/internal/tools/typed"
)

// circle is a set of files each of which refers, directly or through others, to each of the others:
// a strongly connected component. Nobody can read one of its files alone.
type circle struct{ files, lines int }

// largestCircle returns the circle with the most files of a package, and of these the one with the
// most lines.
func largestCircle(p *typed.Package) circle {
	lines := map[*token.File]int{}
	for _, f := range p.Files {
		file := p.Set.File(f.Pos())
		lines[file] = file.LineCount()
	}
	var largest circle
	for _, c := range circles(references(p)) {
		total := 0
		for _, f := range c {
			total += lines[f]
		}
		if len(c) > largest.files || len(c) == largest.files && total > largest.lines {
			largest = circle{len(c), total}
		}
	}
	return largest
}

// references maps each file to the other files of the package whose functions, methods, types,
// variables, constants or fields it uses.
func references(p *typed.Package) map[*token.File][]*token.File {
	refs := map[*token.File][]*token.File{}
	for _, f := range p.Files {
		from := p.Set.File(f.Pos())
		seen := map[*token.File]bool{from: true}
		refs[from] = nil
		ast.Inspect(f, func(node ast.Node) bool {
			id, ok := node.(*ast.Ident)
			if !ok {
				return true
			}
			if object := p.Info.Uses[id]; object != nil && isDeclaration(object, p.Types) {
				if to := p.Set.File(object.Pos()); !seen[to] {
					seen[to] = true
					refs[from] = append(refs[from], to)
				}
			}
			return true
		})
	}
	return refs
}

// isDeclaration says whether an object is declared at the top level of the package, or is a field
// or method there. The instances of generic fields and methods have the position of their origin.
func isDeclaration(object types.Object, p *types.Package) bool {
	if object.Pkg() != p || !object.Pos().IsValid() {
		return false
	}
	switch o := object.(type) {
	case *types.Func:
		return true
	case *types.Var:
		return o.IsField() || o.Parent() == p.Scope()
	default:
		return o.Parent() == p.Scope()
	}
}

// circles returns the strongly connected components of a graph: for each node that is in none yet,
// the nodes that it reaches and that reach it. Packages have some dozen files, so the cost does not
// matter.
func circles[N comparable](edges map[N][]N) [][]N {
	reach := map[N]map[N]bool{}
	for node := range edges {
		reach[node] = map[N]bool{}
		for todo := []N{node}; len(todo) > 0; {
			next := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !reach[node][next] {
				reach[node][next] = true
				todo = append(todo, edges[next]...)
			}
		}
	}
	var all [][]N
	placed := map[N]bool{}
	for node := range edges {
		if placed[node] {
			continue
		}
		var members []N
		for other := range reach[node] {
			if reach[other][node] {
				placed[other] = true
				members = append(members, other)
			}
		}
		all = append(all, members)
	}
	return all
}
