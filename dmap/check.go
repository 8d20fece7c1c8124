package dmap

import (
	"fmt"
	"reflect"
)

// checkedSource returns the reason why src cannot be read at all: it is nil, or its Plan has an
// Err.
func checkedSource[T any](src Source[T]) error {
	if err := checked("source", src); err != nil {
		return err
	}
	if err := PlanOf(src).Err; err != nil {
		return fmt.Errorf("dmap: source: %w", err)
	}
	return nil
}

// checked returns an error for a source or sink that cannot be used: it is nil, or its own Validate
// says so.
func checked(what string, v any) error {
	if v == nil || reflect.ValueOf(v).Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil() {
		return fmt.Errorf("dmap: the %s is nil", what)
	}
	if own, ok := v.(interface{ Validate() error }); ok {
		if err := own.Validate(); err != nil {
			return fmt.Errorf("dmap: %s: %w", what, err)
		}
	}
	return nil
}
