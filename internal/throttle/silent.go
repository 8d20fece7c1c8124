package throttle

import (
	"reflect"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
)

// Silent reports whether Is and Asked call none of the methods of the errors in the chain of err
// that they look for, because no error has one. Then Is is false.
func Silent(err error) bool {
	return !guard.Walk(err, func(err error) bool {
		_, asks := err.(interface{ RetryAfter() time.Duration })
		return asks || speaks(err)
	})
}

// speaks reports whether err alone may tell of a server that throttles. Few errors do, and a search
// for methods and fields by name takes longer than the rest of Is, so the answer is kept for each
// type.
func speaks(err error) bool {
	t := reflect.TypeOf(err)
	if known, ok := speaking.Load(t); ok {
		return known.(bool)
	}
	is := tells(err, t)
	speaking.Store(t, is)
	return is
}

var speaking sync.Map //nolint:gochecknoglobals // a cache: reflect.Type to bool

// tells is speaks by the type of err.
func tells(err error, t reflect.Type) bool {
	switch err.(type) { //nolint:errorlint // err alone
	case interface{ ErrorCode() string }, interface{ HTTPStatusCode() int }, interface{ HTTPCode() int }:
		return true
	}
	if _, ok := t.MethodByName("Code"); ok { // constant names, so that the linker may drop other methods
		return true
	}
	if _, ok := t.MethodByName("GRPCStatus"); ok {
		return true
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Interface || hasField(t, "Code") || hasField(t, "StatusCode")
}

// hasField reports whether t is a struct with a field of this name, as httpstatus.Field finds it.
func hasField(t reflect.Type, name string) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	_, ok := t.FieldByName(name)
	return ok
}
