package main

import "go/types"

// exported returns the number of constants, variables, functions and types that a package exports.
// Methods and fields do not count.
func exported(p *types.Package) int {
	n := 0
	for _, name := range p.Scope().Names() {
		if p.Scope().Lookup(name).Exported() {
			n++
		}
	}
	return n
}
