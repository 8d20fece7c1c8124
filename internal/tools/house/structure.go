package main

import (
	"fmt"
	"go/types"
)

// structure counts what one struct type knows.
type structure struct {
	fields  int
	methods int
	holders int // fields whose struct type has a field that holds this struct
}

func measureStruct(p *types.Package, name string) (structure, error) {
	object, ok := p.Scope().Lookup(name).(*types.TypeName)
	if !ok {
		return structure{}, fmt.Errorf("%s has no type %s: name the struct of one run in internal/tools/house/measure.go", p.Path(), name)
	}
	named, ok := object.Type().(*types.Named)
	if !ok {
		return structure{}, fmt.Errorf("%s.%s is an alias", p.Path(), name)
	}
	fields, ok := named.Underlying().(*types.Struct)
	if !ok {
		return structure{}, fmt.Errorf("%s.%s is no struct", p.Path(), name)
	}
	s := structure{fields: fields.NumFields(), methods: named.NumMethods()}
	for field := range fields.Fields() {
		if holds(field.Type(), named) {
			s.holders++
		}
	}
	return s, nil
}

// holds says whether a type contains a struct, other than target itself, with a field that contains
// target.
func holds(t types.Type, target *types.Named) bool {
	return contains(t, func(named *types.Named) bool {
		fields, ok := named.Underlying().(*types.Struct)
		if !ok || named.Obj() == target.Obj() {
			return false
		}
		for field := range fields.Fields() {
			if contains(field.Type(), func(n *types.Named) bool { return n.Obj() == target.Obj() }) {
				return true
			}
		}
		return false
	})
}

// contains says whether match is true for a named type that t is, points to, or has as an element
// or type argument. Functions and interfaces do not count: who holds one does not see the struct.
func contains(t types.Type, match func(*types.Named) bool) bool {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if match(t) {
			return true
		}
		for argument := range t.TypeArgs().Types() {
			if contains(argument, match) {
				return true
			}
		}
	case *types.Pointer:
		return contains(t.Elem(), match)
	case *types.Slice:
		return contains(t.Elem(), match)
	case *types.Array:
		return contains(t.Elem(), match)
	case *types.Chan:
		return contains(t.Elem(), match)
	case *types.Map:
		return contains(t.Key(), match) || contains(t.Elem(), match)
	}
	return false
}
