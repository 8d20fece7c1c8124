package errtext

import "reflect"

// small reports whether a value has at most about most bytes when it is printed: fmt builds the
// whole text in memory, and some values contain themselves.
func small(value any, most int) bool {
	return measure(reflect.ValueOf(value), &most)
}

// measure subtracts the size of v from rest and reports whether any is left.
func measure(v reflect.Value, rest *int) bool {
	if *rest -= 8; *rest < 0 {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		*rest -= v.Len()
	case reflect.Interface, reflect.Pointer:
		return v.IsNil() || measure(v.Elem(), rest)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !measure(v.Index(i), rest) {
				return false
			}
		}
	case reflect.Map: // another goroutine may write to it, which would end the process
		return v.IsNil()
	case reflect.Struct:
		for i := range v.NumField() {
			if !measure(v.Field(i), rest) {
				return false
			}
		}
	}
	return *rest >= 0
}
