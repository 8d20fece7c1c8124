package guard

import "reflect"

// maxWalked is how many errors of a chain Is and As look at. A chain may be endless: an error may
// unwrap to itself, or to several of itself.
const maxWalked = 1000

// Is is errors.Is for errors whose methods a user may have written: it survives methods that panic,
// end their goroutine, or do not return, and chains without an end. Then it is false.
func Is(err, target error) bool {
	if err == nil || target == nil {
		return err == target
	}
	if Searchable(err) {
		return ChainIs(err, target)
	}
	found, _ := Call(func() bool { return ChainIs(err, target) })
	return found
}

// ChainIs is Is without a guard against methods that do not return, for those who are inside a
// Call.
func ChainIs(err, target error) bool {
	comparable := reflect.ValueOf(target).Comparable() // a field may hold a value that is not
	return walk(err, func(err error) bool {
		if comparable && err == target {
			return true
		}
		own, ok := err.(interface{ Is(error) bool })
		return ok && own.Is(target)
	})
}

// As is errors.As, as [Is] is errors.Is. It returns the first error of type T in the chain.
func As[T any](err error) (found T, ok bool) {
	ok = AsTarget(err, &found)
	return found, ok
}

// ChainAs is As without a guard against methods that do not return, for those who are inside a
// Call.
func ChainAs[T any](err error) (out T, ok bool) {
	found := as(err, reflect.TypeFor[T]())
	if !found.IsValid() {
		return out, false
	}
	out, ok = found.Interface().(T)
	return out, ok
}

// AsTarget is As for methods that have the signature of errors.As.
func AsTarget(err error, target any) bool {
	if err == nil {
		return false
	}
	into := reflect.ValueOf(target).Elem()
	var found reflect.Value
	if Searchable(err) {
		found = as(err, into.Type())
	} else { // a call that is given up may still write to its arguments
		found, _ = Call(func() reflect.Value { return as(err, into.Type()) })
	}
	if !found.IsValid() {
		return false
	}
	into.Set(found)
	return true
}

// as returns the first error of type t, the zero Value if there is none.
func as(err error, t reflect.Type) (found reflect.Value) {
	walk(err, func(err error) bool {
		if reflect.TypeOf(err).AssignableTo(t) && !isNil(reflect.ValueOf(err)) {
			found = reflect.ValueOf(err)
			return true
		}
		own, ok := err.(interface{ As(any) bool })
		if !ok {
			return false
		}
		into := reflect.New(t)
		if !own.As(into.Interface()) || isNil(into.Elem()) {
			return false
		}
		found = into.Elem()
		return true
	})
	return found
}

// isNil reports whether v is a nil interface, or a nil pointer, which a method that returns a
// *HoldError as an error makes of nil. Who looks for a type reads its fields.
func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// Walk calls visit for err and the errors that it wraps, in the order of errors.Is, until visit
// returns true, for a bounded number of errors. It reports whether visit has returned true. It
// calls methods of the errors, so the caller is inside a [Call], or knows that err is plain.
func Walk(err error, visit func(error) bool) bool { return walk(err, visit) }

// walk calls visit for err and the errors that it wraps, in the order of errors.Is, until visit
// returns true, for at most maxWalked errors.
func walk(err error, visit func(error) bool) bool {
	budget := maxWalked
	return walkChain(err, &budget, visit)
}

func walkChain(err error, budget *int, visit func(error) bool) bool {
	for err != nil {
		if *budget--; *budget < 0 {
			return false
		}
		if visit(err) {
			return true
		}
		switch x := err.(type) { //nolint:errorlint // it visits each error of the chain
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			for _, one := range x.Unwrap() {
				if walkChain(one, budget, visit) {
					return true
				}
			}
			return false
		default:
			return false
		}
	}
	return false
}
