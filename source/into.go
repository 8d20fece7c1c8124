package source

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Into decodes rows into structs. A field takes the column that its tag `csv:"name"` names, else
// the one of its own name; `csv:"-"` takes none. Columns without a field are ignored; a field
// without a column is an error unless it is a pointer or its tag says `csv:"name,omitempty"`.
//
// Fields are strings, integers, floats, bools, []byte, durations ("1m30s"), times (RFC 3339) and
// whatever is an encoding.TextUnmarshaler; an empty column leaves pointers nil and omitempty fields
// zero, and is an error for other fields that are no text. Embedded structs count as their fields.
func Into[T any](header []string) (func(Row) (T, error), error) {
	columns, err := columnsOf(reflect.TypeFor[T](), header)
	if err != nil {
		return nil, err
	}
	fields := fields{columns: columns}
	made := new(T) // only once, however often something escapes to it
	return func(row Row) (T, error) {
		var none T
		*made = none
		err := fields.decode(unsafe.Pointer(made), row)
		return *made, err
	}, nil
}

// column is how one field of a struct is made.
type column struct {
	name     string
	at       int // in the row
	field    []int
	pointer  bool // nil for an empty column
	optional bool // an empty column leaves it zero
	kind     reflect.Type
	offset   uintptr // in the struct
	fast     fast
	set      setter
	last     string // the text of the row before, of strings
}

// setter parses text into v.
type setter func(v reflect.Value, text string) error

// columnsOf matches the fields of t to the header, and says all that does not match at once.
func columnsOf(t reflect.Type, header []string) ([]column, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("rows can be decoded into a struct, not into %v", t)
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	positions := make(map[string]int, len(header))
	for i := len(header) - 1; i >= 0; i-- {
		positions[header[i]] = i
	}
	var missing []string
	columns := fields[:0]
	for _, c := range fields {
		at, ok := positions[c.name]
		switch {
		case ok:
			c.at = at
			columns = append(columns, c)
		case !c.pointer && !c.optional:
			missing = append(missing, strconv.Quote(c.name))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("no column %s for %v; there are %s", strings.Join(missing, ", "), t, quoted(header))
	}
	return columns, nil
}

// quoted lists at most 50 names.
func quoted(names []string) string {
	list := make([]string, 0, len(names))
	for i, name := range names {
		if i == 50 {
			list = append(list, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		list = append(list, strconv.Quote(name))
	}
	return strings.Join(list, ", ")
}

// fieldsOf lists what t can take, in order.
func fieldsOf(t reflect.Type) ([]column, error) {
	var columns []column
	var errs []error
	for _, f := range reflect.VisibleFields(t) {
		name, options, tagged := strings.Cut(f.Tag.Get("csv"), ",")
		embedded := f.Anonymous && f.Type.Kind() == reflect.Struct && name == "" && !isText(f.Type)
		if !f.IsExported() || name == "-" || embedded || hidden(t, f) {
			continue
		}
		c := column{name: name, field: f.Index}
		if c.name == "" {
			c.name = f.Name
		}
		if tagged && options != "omitempty" {
			errs = append(errs, fmt.Errorf("%v.%s: csv tag option %q is unknown", t, f.Name, options))
		}
		c.optional = options == "omitempty"
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind, c.pointer = kind.Elem(), true
		}
		c.kind, c.offset, c.fast = kind, offsetOf(t, f.Index), fastFor(kind)
		if c.set = setterFor(kind); c.set == nil {
			errs = append(errs, fmt.Errorf("%v.%s: a column cannot be decoded into %v", t, f.Name, f.Type))
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%v has no exported fields to decode a row into", t))
	}
	return columns, errors.Join(errs...)
}

// hidden reports whether f is promoted from an embedded struct whose fields do not count: one that
// is a pointer, which would have to be allocated for it, or one that is a column itself or none.
func hidden(t reflect.Type, f reflect.StructField) bool {
	for n := 1; n < len(f.Index); n++ {
		outer := t.FieldByIndex(f.Index[:n])
		if outer.Type.Kind() == reflect.Pointer || outer.Tag.Get("csv") != "" || isText(outer.Type) {
			return true
		}
	}
	return false
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
)

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textUnmarshaler) }

// setterFor returns nil for types that no column can become.
func setterFor(t reflect.Type) setter {
	switch {
	case isText(t):
		return func(v reflect.Value, text string) error {
			return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		}
	case t == durationType:
		return func(v reflect.Value, text string) error {
			d, err := time.ParseDuration(text)
			v.SetInt(int64(d))
			return err
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value, text string) error { v.SetString(text); return nil }
	case reflect.Bool:
		return parsed(strconv.ParseBool, reflect.Value.SetBool)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits()
		return parsed(func(s string) (int64, error) { return strconv.ParseInt(s, 10, bits) }, reflect.Value.SetInt)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits := t.Bits()
		return parsed(func(s string) (uint64, error) { return strconv.ParseUint(s, 10, bits) }, reflect.Value.SetUint)
	case reflect.Float32, reflect.Float64:
		bits := t.Bits()
		return parsed(func(s string) (float64, error) { return strconv.ParseFloat(s, bits) }, reflect.Value.SetFloat)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return func(v reflect.Value, text string) error { v.SetBytes([]byte(text)); return nil }
		}
	}
	return nil
}

// parsed is a setter from a parser of strconv, whose errors need not name the function.
func parsed[V any](parse func(string) (V, error), set func(reflect.Value, V)) setter {
	return func(v reflect.Value, text string) error {
		value, err := parse(text)
		if err != nil {
			var number *strconv.NumError
			if errors.As(err, &number) {
				return fmt.Errorf("%q: %w", clip(number.Num), number.Err)
			}
			return err
		}
		set(v, value)
		return nil
	}
}

// clip keeps an error message short.
func clip(text string) string {
	if len(text) > 64 {
		return text[:64] + "..."
	}
	return text
}
