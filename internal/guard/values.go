package guard

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"sync"
)

// PlainJSON reports whether encoding/json writes and reads values of type t without a call of a
// user's methods. The answer is kept for each type.
func PlainJSON(t reflect.Type) bool {
	if t == nil {
		return true
	}
	if known, ok := plainTypes.Load(t); ok {
		return known.(bool)
	}
	plain := plainType(t, map[reflect.Type]bool{})
	plainTypes.Store(t, plain)
	return plain
}

var plainTypes sync.Map //nolint:gochecknoglobals // a cache: reflect.Type to bool

// methods are what encoding/json calls.
var methods = []reflect.Type{ //nolint:gochecknoglobals // a table
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	reflect.TypeFor[interface{ IsZero() bool }](),
}

// plainType is PlainJSON. seen holds the types that contain t.
func plainType(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if t.Kind() == reflect.Pointer { // its methods count for its element
		return plainType(t.Elem(), seen)
	}
	if hasMethods(t) {
		return knownMethods[t.PkgPath()]
	}
	switch t.Kind() {
	case reflect.Interface:
		return false
	case reflect.Slice, reflect.Array:
		return plainType(t.Elem(), seen)
	case reflect.Map:
		return plainType(t.Key(), seen) && plainType(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); seenByJSON(f) && !plainType(f.Type, seen) {
				return false
			}
		}
	}
	return true
}

// seenByJSON reports whether encoding/json looks at a field. It does so at the fields of an
// embedded struct, also if the embedded type is not exported.
func seenByJSON(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// hasMethods reports whether encoding/json may call a method of t or of *t.
func hasMethods(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	return slices.ContainsFunc(methods, reflect.PointerTo(t).Implements)
}

// knownMethods are the packages whose types have such methods that return.
var knownMethods = map[string]bool{ //nolint:gochecknoglobals // a table
	"encoding/json": true, "encoding/json/jsontext": true, "math/big": true, "net": true, "net/netip": true, "time": true,
}
