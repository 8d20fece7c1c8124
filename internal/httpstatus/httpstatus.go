// Package httpstatus finds the HTTP status in the errors of SDKs, without the SDKs.
package httpstatus

import "reflect"

// Of returns the HTTP status of the answer that err alone tells of, not its causes; 0 if it tells
// none. SDKs keep it in a method, HTTPStatusCode (smithy) or HTTPCode (gax), or in an integer
// field, Code (googleapi) or StatusCode (azcore), of types that the library must not link. It calls
// a method of err: the caller is inside a guard.Call, or knows that err is plain.
func Of(err error) (status int) {
	switch e := err.(type) { //nolint:errorlint // err alone
	case interface{ HTTPStatusCode() int }:
		status = e.HTTPStatusCode()
	case interface{ HTTPCode() int }:
		status = e.HTTPCode()
	default:
		status = inFields(reflect.ValueOf(err))
	}
	if status < 100 || status > 599 {
		return 0
	}
	return status
}

func inFields(v reflect.Value) int {
	for _, name := range [...]string{"Code", "StatusCode"} {
		if f := Field(v, name); f.IsValid() && f.Kind() == reflect.Int {
			return int(f.Int())
		}
	}
	return 0
}

// Field is an exported field of the struct that v is, or points to; the zero Value if there is
// none.
func Field(v reflect.Value, name string) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	if f, ok := v.Type().FieldByName(name); ok && f.IsExported() {
		if found, err := v.FieldByIndexErr(f.Index); err == nil { // an embedded pointer may be nil
			return found
		}
	}
	return reflect.Value{}
}
