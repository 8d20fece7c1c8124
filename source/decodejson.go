package source

import (
	"encoding/json"
	"fmt"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	guarded "github.com/go-dmap/dmap/internal/guard"
)

// jsonDecoder returns the default decoder: json.Unmarshal in little more than half of its time. It
// decodes with the package that is encoding/json/v2 from Go 1.27 on, by the rules of version 1, all
// of them options there. A text that this package refuses is decoded again by encoding/json, whose
// value or error counts.
func jsonDecoder[T any]() func([]byte) (T, error) {
	rules := jsonv2.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false))
	onlyV1 := holdsNumber(reflect.TypeFor[T](), map[reflect.Type]bool{})
	return func(data []byte) (T, error) {
		var value T
		if !onlyV1 && jsonv2.Unmarshal(data, &value, rules) == nil {
			return value, nil
		}
		var again T
		err := json.Unmarshal(data, &again)
		if err != nil {
			err = fmt.Errorf("json%s: %w", jsonPosition(err), guarded.Shown(err))
		}
		return again, err
	}
}

// holdsNumber reports whether a json.Number is in t, which up to Go 1.26 is only a string to
// version 2.
func holdsNumber(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == numberType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Slice:
		return t.Kind() == reflect.Map && holdsNumber(t.Key(), seen) || holdsNumber(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsNumber(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

var numberType = reflect.TypeFor[json.Number]()
