package main

import (
	"fmt"
	"go/constant"
	"go/types"
	"slices"
	"strings"
)

// description collects the lines about one package.
type description struct {
	p     *types.Package
	lines []string
}

// describe returns the exported identifiers of a package with their types, fields and methods, one
// a line, in an order that does not depend on where they are declared.
func describe(p *types.Package) string {
	d := description{p: p}
	for _, name := range p.Scope().Names() {
		if object := p.Scope().Lookup(name); object.Exported() {
			d.object(object)
		}
	}
	return "package " + p.Name() + "\n" + strings.Join(d.lines, "")
}

func (d *description) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...)+"\n")
}

// text returns a type, or an object, as a user of the package writes it.
func (d *description) text(t types.Type) string { return types.TypeString(t, d.qualify) }

func (d *description) qualify(p *types.Package) string {
	if p == d.p {
		return ""
	}
	return p.Name()
}

func (d *description) object(object types.Object) {
	switch o := object.(type) {
	case *types.Const:
		d.add("const %s %s = %s", o.Name(), d.text(o.Type()), value(o))
	case *types.Var:
		d.add("var %s %s", o.Name(), d.text(o.Type()))
	case *types.Func:
		d.add("%s", types.ObjectString(o, d.qualify))
	case *types.TypeName:
		d.typeName(o)
	}
}

func value(c *types.Const) string {
	if c.Val().Kind() == constant.String {
		return c.Val().ExactString()
	}
	return c.Val().String()
}

func (d *description) typeName(o *types.TypeName) {
	if o.IsAlias() {
		d.add("%s", types.ObjectString(o, d.qualify))
		return
	}
	named := o.Type().(*types.Named)
	head := "type " + d.text(named) // for a generic type, with the constraints of its parameters
	switch under := named.Underlying().(type) {
	case *types.Struct:
		d.add("%s struct", head)
		d.fields(o.Name(), under, map[*types.Struct]bool{})
	case *types.Interface:
		d.add("%s interface", head)
		d.elements(o.Name(), under)
		return
	default:
		d.add("%s %s", head, d.text(under))
	}
	d.methods(named)
}

// fields adds the exported fields, those of embedded structs that are not exported among them.
func (d *description) fields(name string, s *types.Struct, seen map[*types.Struct]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	hidden := false
	for i := range s.NumFields() {
		field := s.Field(i)
		switch {
		case !field.Exported() && field.Embedded():
			hidden = true
			if inner, ok := structOf(field.Type()); ok {
				d.fields(name, inner, seen)
			}
		case !field.Exported():
			hidden = true
		default:
			d.add("type %s struct, %s%s%s", name, field.Name(), d.fieldType(field), tag(s.Tag(i)))
		}
	}
	if hidden {
		d.add("type %s struct, unexported fields", name)
	}
}

func (d *description) fieldType(field *types.Var) string {
	if field.Embedded() {
		return " (embedded " + d.text(field.Type()) + ")"
	}
	return " " + d.text(field.Type())
}

func tag(text string) string {
	if text == "" {
		return ""
	}
	return " `" + text + "`"
}

func structOf(t types.Type) (*types.Struct, bool) {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	return s, ok
}

// elements adds the methods of an interface, or the union of a constraint.
func (d *description) elements(name string, i *types.Interface) {
	hidden := false
	for method := range i.Methods() { // with those of embedded interfaces
		if !method.Exported() {
			hidden = true
			continue
		}
		d.add("type %s interface, %s%s", name, method.Name(), d.signature(method))
	}
	for embedded := range i.EmbeddedTypes() {
		if _, ok := embedded.Underlying().(*types.Interface); !ok {
			d.add("type %s interface, %s", name, d.text(embedded))
		}
	}
	if hidden {
		d.add("type %s interface, unexported methods", name)
	}
}

// methods adds the exported methods of a type and of its pointer, promoted ones among them.
func (d *description) methods(named *types.Named) {
	values := types.NewMethodSet(named)
	var lines []string
	for selection := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		method := selection.Obj().(*types.Func)
		if !method.Exported() {
			continue
		}
		star := "*"
		if values.Lookup(method.Pkg(), method.Name()) != nil {
			star = ""
		}
		lines = append(lines, fmt.Sprintf("method (%s%s) %s%s\n", star, named.Obj().Name(), method.Name(), d.signature(method)))
	}
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
}

func (d *description) signature(method *types.Func) string {
	return strings.TrimPrefix(d.text(method.Signature()), "func")
}
