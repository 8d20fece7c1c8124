package fingerprint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"
	"unsafe"
)

// Func hashes values of type T: everything that they hold and point to, also unexported fields.
// Fields with the tag `dmap:"-"` do not count.
type Func[T any] struct{ hash hasher }

// Of returns the Func of T.
func Of[T any]() Func[T] { return Func[T]{hasherOf(reflect.TypeFor[T]())} }

// Add adds a value to h. It fails for a value that holds a function, a channel or an unsafe
// pointer, or itself. v is only read.
func (f Func[T]) Add(h Hash, v *T) (Hash, error) {
	return f.hash(h, unsafe.Pointer(v), 0)
}

// hasher adds the value at p. depth is the number of pointers, slices, maps and interfaces around
// it.
type hasher func(h Hash, p unsafe.Pointer, depth int) (Hash, error)

// maxDepth is where a value counts as one that holds itself.
const maxDepth = 1000

var errDepth = errors.New("it is nested too deeply, or holds itself")

// opaque is the error for a value whose content cannot be read.
type opaque struct {
	path string // from the value, ".Field.Field"
	kind reflect.Kind
}

func (e *opaque) Error() string {
	if e.path == "" {
		return fmt.Sprintf("a %v has no content", e.kind)
	}
	return fmt.Sprintf("field %s is a %v, which has no content", e.path[1:], e.kind)
}

// hashers holds a hasher for each type that was asked for.
var hashers sync.Map //nolint:gochecknoglobals // a cache: reflect.Type to hasher

// hasherOf makes the hasher of t, once. A recursive type finds a hasher that waits for its own.
func hasherOf(t reflect.Type) hasher {
	if f, ok := hashers.Load(t); ok {
		return f.(hasher)
	}
	var made hasher
	ready := make(chan struct{})
	f, loaded := hashers.LoadOrStore(t, hasher(func(h Hash, p unsafe.Pointer, depth int) (Hash, error) {
		<-ready
		return made(h, p, depth)
	}))
	if loaded {
		return f.(hasher)
	}
	made = makeHasher(t)
	close(ready)
	hashers.Store(t, made)
	return made
}

func makeHasher(t reflect.Type) hasher {
	switch t {
	case reflect.TypeFor[time.Time]():
		return hashTime
	case reflect.TypeFor[json.RawMessage]():
		return hashJSON
	}
	switch t.Kind() {
	case reflect.String:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Text(*(*string)(p)), nil }
	case reflect.Float32:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
			return h.Word(uint64(math.Float32bits(*(*float32)(p)))), nil
		}
	case reflect.Complex64:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Word(*(*uint64)(p)), nil }
	case reflect.Complex128:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
			both := *(*[2]uint64)(p)
			return h.Word(both[0]).Word(both[1]), nil
		}
	case reflect.Struct:
		return structHasher(t)
	case reflect.Array:
		return arrayHasher(t)
	case reflect.Slice:
		return sliceHasher(t)
	case reflect.Pointer:
		return pointerHasher(t)
	case reflect.Map:
		return mapHasher(t)
	case reflect.Interface:
		return interfaceHasher(t)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return opaqueHasher(t.Kind())
	default:
		return wordHasher(t.Size())
	}
}

// wordHasher hashes numbers and booleans of a size in bytes.
func wordHasher(size uintptr) hasher {
	switch size {
	case 1:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Word(uint64(*(*uint8)(p))), nil }
	case 2:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Word(uint64(*(*uint16)(p))), nil }
	case 4:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Word(uint64(*(*uint32)(p))), nil }
	default:
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Word(*(*uint64)(p)), nil }
	}
}

// hashTime leaves out the clock reading, which no other process has, and the name of the zone.
func hashTime(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
	t := *(*time.Time)(p)
	_, offset := t.Zone()
	return h.Word(uint64(t.Unix())).Word(uint64(t.Nanosecond())).Word(uint64(offset)), nil
}

// hashJSON leaves out the space between tokens, as encoding/json does when it writes the text.
func hashJSON(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
	text := *(*json.RawMessage)(p)
	var compact bytes.Buffer
	if json.Compact(&compact, text) == nil {
		text = compact.Bytes()
	}
	return h.Text(string(text)), nil
}

// At adds the value that pointer, a non-nil pointer of any type, points to, as Func does.
func At(h Hash, pointer any) (Hash, error) {
	v := reflect.ValueOf(pointer)
	return hasherOf(v.Type().Elem())(h, v.UnsafePointer(), 0)
}

// opaqueHasher accepts only nil: there is nothing to compare in the rest.
func opaqueHasher(kind reflect.Kind) hasher {
	return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
		if *(*unsafe.Pointer)(p) != nil {
			return h, &opaque{kind: kind}
		}
		return h.Word(0), nil
	}
}

// structHasher hashes the fields in order.
func structHasher(t reflect.Type) hasher {
	type field struct {
		name   string
		offset uintptr
		hash   hasher
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("dmap") != "-" && f.Name != "_" {
			fields = append(fields, field{f.Name, f.Offset, hasherOf(f.Type)})
		}
	}
	return func(h Hash, p unsafe.Pointer, depth int) (_ Hash, err error) {
		for i := range fields {
			f := &fields[i]
			if h, err = f.hash(h, unsafe.Add(p, f.offset), depth); err != nil {
				return h, within(f.name, err)
			}
		}
		return h, nil
	}
}

// within says that err is about a field.
func within(name string, err error) error {
	var inner *opaque
	if errors.As(err, &inner) {
		return &opaque{"." + name + inner.path, inner.kind}
	}
	return err
}

func arrayHasher(t reflect.Type) hasher {
	n, size := t.Len(), t.Elem().Size()
	if t.Elem().Kind() == reflect.Uint8 {
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) { return h.Text(unsafe.String((*byte)(p), n)), nil }
	}
	element := hasherOf(t.Elem())
	return func(h Hash, p unsafe.Pointer, depth int) (_ Hash, err error) {
		for i := range n {
			if h, err = element(h, unsafe.Add(p, uintptr(i)*size), depth); err != nil {
				return h, err
			}
		}
		return h, nil
	}
}

// sliceHasher does not tell nil from empty, because JSON does not keep the difference.
func sliceHasher(t reflect.Type) hasher {
	if t.Elem().Kind() == reflect.Uint8 {
		return func(h Hash, p unsafe.Pointer, _ int) (Hash, error) {
			s := *(*[]byte)(p)
			return h.Text(unsafe.String(unsafe.SliceData(s), len(s))), nil
		}
	}
	size, element := t.Elem().Size(), hasherOf(t.Elem())
	return func(h Hash, p unsafe.Pointer, depth int) (_ Hash, err error) {
		if depth > maxDepth {
			return h, errDepth
		}
		s := (*struct { // as the runtime has it
			data     unsafe.Pointer
			len, cap int
		})(p)
		h = h.Word(uint64(s.len))
		for i := range s.len {
			if h, err = element(h, unsafe.Add(s.data, uintptr(i)*size), depth+1); err != nil {
				return h, err
			}
		}
		return h, nil
	}
}

func pointerHasher(t reflect.Type) hasher {
	element := hasherOf(t.Elem())
	return func(h Hash, p unsafe.Pointer, depth int) (Hash, error) {
		at := *(*unsafe.Pointer)(p)
		switch {
		case at == nil:
			return h.Word(0), nil
		case depth > maxDepth:
			return h, errDepth
		}
		return element(h.Word(1), at, depth+1)
	}
}

// mapHasher adds the hashes of the entries, because their order is another each time.
func mapHasher(t reflect.Type) hasher {
	key, value := hasherOf(t.Key()), hasherOf(t.Elem())
	return func(h Hash, p unsafe.Pointer, depth int) (Hash, error) {
		if depth > maxDepth {
			return h, errDepth
		}
		var all uint64
		k, v := reflect.New(t.Key()), reflect.New(t.Elem())
		entries := reflect.NewAt(t, p).Elem()
		for each := entries.MapRange(); each.Next(); {
			k.Elem().SetIterKey(each)
			v.Elem().SetIterValue(each)
			entry, err := key(0, k.UnsafePointer(), depth+1)
			if err == nil {
				entry, err = value(entry, v.UnsafePointer(), depth+1)
			}
			if err != nil {
				return h, err
			}
			all += entry.mixed()
		}
		return h.Word(uint64(entries.Len())).Word(all), nil
	}
}

// interfaceHasher adds the type too: 1 is not "1".
func interfaceHasher(t reflect.Type) hasher {
	return func(h Hash, p unsafe.Pointer, depth int) (Hash, error) {
		v := reflect.NewAt(t, p).Elem()
		switch {
		case v.IsNil():
			return h.Word(0), nil
		case depth > maxDepth:
			return h, errDepth
		}
		held := reflect.New(v.Elem().Type())
		held.Elem().Set(v.Elem())
		return hasherOf(held.Type().Elem())(h.Text(held.Type().Elem().String()), held.UnsafePointer(), depth+1)
	}
}
