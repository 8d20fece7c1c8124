// Package guard tells values whose methods are known to return from those with methods that a user
// wrote. The latter may panic or end their goroutine: a caller runs them on a goroutine of their
// own.
package guard

import (
	"errors"
	"reflect"
	"strings"
)

// maxErrors is how many errors PlainError looks at. A chain with more, which may be endless, is not
// plain.
const maxErrors = 100

// PlainError reports whether every error in the chain of err is of a type whose methods are known
// to return: errors.Is, errors.As and Error call no code of a user then.
func PlainError(err error) bool {
	budget := maxErrors
	return plainChain(err, &budget)
}

func plainChain(err error, budget *int) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if *budget--; *budget < 0 || !ours(err) {
			return false
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				if !plainChain(one, budget) {
					return false
				}
			}
		}
	}
	return true
}

// ours reports whether the type of err is of a package whose errors are known to behave, and err is
// not a nil pointer. dmap.PanicError holds a value of the user.
func ours(err error) bool {
	v := reflect.ValueOf(err)
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		if v.IsNil() || t.Elem().Name() == "PanicError" {
			return false
		}
		t = t.Elem()
	}
	return wellBehaved[t.PkgPath()]
}

var wellBehaved = map[string]bool{ //nolint:gochecknoglobals // a table
	module + "/dmap": true, module + "/sink": true, module + "/source": true,
	"context": true, "encoding/csv": true, "encoding/json": true, "errors": true, "fmt": true, "io": true,
	"io/fs": true, "net": true, "net/url": true, "os": true, "strconv": true, "syscall": true,
}

var module = strings.TrimSuffix(reflect.TypeFor[marker]().PkgPath(), "/internal/guard")

type marker struct{}
