package source

import (
	"encoding"
	"reflect"
	"strconv"
	"time"
	"unsafe"

	"github.com/go-dmap/dmap/internal/record"
)

// This file writes the fields of a struct by their place in memory. It is the only one that does:
// to set them by reflection costs more than to parse their values. Reflection has found the type
// and the place of each field before.

// fast is a type that needs no reflection.
type fast int

const (
	slow fast = iota // set by reflection
	fastString
	fastInt
	fastInt8
	fastInt16
	fastInt32
	fastInt64
	fastUint
	fastUint8
	fastUint16
	fastUint32
	fastUint64
	fastFloat32
	fastFloat64
	fastBool
	fastTime
	fastText // an encoding.TextUnmarshaler
)

// fastFor returns how t can be set.
func fastFor(t reflect.Type) fast {
	switch {
	case t == timeType:
		return fastTime
	case isText(t):
		return fastText
	case t == durationType:
		return slow
	}
	return map[reflect.Kind]fast{
		reflect.String: fastString, reflect.Bool: fastBool, reflect.Float32: fastFloat32, reflect.Float64: fastFloat64,
		reflect.Int: fastInt, reflect.Int8: fastInt8, reflect.Int16: fastInt16, reflect.Int32: fastInt32, reflect.Int64: fastInt64,
		reflect.Uint: fastUint, reflect.Uint8: fastUint8, reflect.Uint16: fastUint16, reflect.Uint32: fastUint32, reflect.Uint64: fastUint64,
	}[t.Kind()]
}

var timeType = reflect.TypeFor[time.Time]()

// offsetOf is where in a struct t the field at index lies, through structs that are embedded.
func offsetOf(t reflect.Type, index []int) (offset uintptr) {
	for _, i := range index {
		f := t.Field(i)
		offset += f.Offset
		t = f.Type
	}
	return offset
}

// fields decodes rows into a struct. The texts of a row that are new are one string; a text that
// comes again in its column is that of the row before.
type fields struct {
	columns []column
	text    []byte // of this row, for strings
	later   []pending
}

// pending is a string field that gets its text once that is complete.
type pending struct {
	field      *string
	column     *column
	start, end int // in text
}

// decode fills the struct at p, whose type is that of the columns.
func (d *fields) decode(p unsafe.Pointer, row Row) error {
	d.text, d.later = d.text[:0], d.later[:0]
	for i := range d.columns {
		c := &d.columns[i]
		text := row.Bytes(c.at)
		if len(text) == 0 && (c.pointer || c.optional) {
			continue
		}
		field := unsafe.Add(p, c.offset)
		if c.pointer {
			made := reflect.New(c.kind).UnsafePointer()
			*(*unsafe.Pointer)(field) = made
			field = made
		}
		if c.fast == fastString {
			d.string((*string)(field), c, text)
		} else if !c.plain(field, text) {
			if err := c.other(field, text); err != nil {
				return &columnError{c.name, err}
			}
		}
	}
	if len(d.later) > 0 {
		text := string(d.text)
		for _, l := range d.later {
			l.column.last = text[l.start:l.end]
			*l.field = l.column.last
		}
	}
	return nil
}

func (d *fields) string(field *string, c *column, text []byte) {
	if string(text) == c.last {
		*field = c.last
		return
	}
	start := len(d.text)
	d.text = append(d.text, text...)
	d.later = append(d.later, pending{field, c, start, len(d.text)})
}

// plain sets a field that is a number or a bool, if text is a usual one.
func (c *column) plain(field unsafe.Pointer, text []byte) bool {
	switch c.fast {
	case slow, fastTime, fastText:
		return false
	case fastFloat64:
		f, ok := record.Float(text, 64)
		*(*float64)(field) = f
		return ok
	case fastFloat32:
		f, ok := record.Float(text, 32)
		*(*float32)(field) = float32(f)
		return ok
	case fastBool:
		b, err := strconv.ParseBool(string(text))
		*(*bool)(field) = b
		return err == nil
	}
	n, ok := record.Int(text)
	return ok && c.integer(field, n, text[0] >= '0')
}

// integer sets a field to n, if that is in its range.
func (c *column) integer(field unsafe.Pointer, n int64, unsigned bool) bool {
	switch c.fast {
	case fastInt:
		return put[int](field, n)
	case fastInt8:
		return put[int8](field, n)
	case fastInt16:
		return put[int16](field, n)
	case fastInt32:
		return put[int32](field, n)
	case fastInt64:
		return put[int64](field, n)
	case fastUint:
		return unsigned && put[uint](field, n)
	case fastUint8:
		return unsigned && put[uint8](field, n)
	case fastUint16:
		return unsigned && put[uint16](field, n)
	case fastUint32:
		return unsigned && put[uint32](field, n)
	default:
		return unsigned && put[uint64](field, n)
	}
}

func put[N int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64](field unsafe.Pointer, n int64) bool {
	*(*N)(field) = N(n)
	return int64(N(n)) == n
}

// other sets a field of any type. Its error says why the text does not fit the type.
func (c *column) other(field unsafe.Pointer, text []byte) error {
	switch c.fast {
	case fastTime:
		return (*time.Time)(field).UnmarshalText(text)
	case fastText:
		return reflect.NewAt(c.kind, field).Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
	}
	return c.set(reflect.NewAt(c.kind, field).Elem(), string(text))
}
