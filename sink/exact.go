package sink

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/go-dmap/dmap/internal/fingerprint"
)

var errInexact = errors.New("the value does not come back from JSON as it was: read the item from its source again")

// checkExact returns errInexact if text, the JSON of the value that input points to, is read back
// as another value: it had unexported fields, text that is not UTF-8, or a MarshalJSON that leaves
// something out. Whoever runs the item again must not get that value.
func checkExact(text []byte, input any) error {
	of := reflect.TypeOf(input)
	if of == nil || of.Kind() != reflect.Pointer || reflect.ValueOf(input).IsNil() {
		return nil
	}
	want, err := fingerprint.At(0, input)
	if err != nil {
		return errInexact
	}
	back := reflect.New(of.Elem()).Interface()
	if json.Unmarshal(text, back) != nil {
		return errInexact
	}
	if got, err := fingerprint.At(0, back); err != nil || got != want {
		return errInexact
	}
	return nil
}
