// Package guard tells values whose methods are known to return from those with methods that a user
// wrote. The latter may panic or end their goroutine: a caller runs them on a goroutine of their
// own.
package guard

import (
	"errors"
	"reflect"
	"strings"
)

// maxErrors is how many errors PlainError and Searchable look at. A chain with more, which may be
// endless, is neither.
const maxErrors = 100

// PlainError reports whether every error in the chain of err is of a type whose methods are known
// to return: errors.Is, errors.As and Error call no code of a user then.
func PlainError(err error) bool { return everyOne(err, ours) }

// Searchable reports whether a search of the chain of err, as that of [Is] and [As], calls no code
// of a user: each of its errors is plain, or has none of the methods that a search calls.
func Searchable(err error) bool {
	return everyOne(err, func(err error) bool { return ours(err) || mute(err) })
}

// everyOne reports whether each error in the chain of err is so.
func everyOne(err error, so func(error) bool) bool {
	budget := maxErrors
	return everyInChain(err, so, &budget)
}

func everyInChain(err error, so func(error) bool, budget *int) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if *budget--; *budget < 0 || !so(err) {
			return false
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range many.Unwrap() {
				if !everyInChain(one, so, budget) {
					return false
				}
			}
		}
	}
	return true
}

// mute reports whether err has none of the methods by which a search asks an error.
func mute(err error) bool {
	switch err.(type) { //nolint:errorlint // err alone
	case interface{ Unwrap() error }, interface{ Unwrap() []error }, interface{ Is(error) bool }, interface{ As(any) bool }:
		return false
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
