// Package throttle recognizes the errors by which servers ask for fewer requests, without the SDKs
// that they come from.
package throttle

import (
	"fmt"
	"reflect"
	"time"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/httpstatus"
	"github.com/go-dmap/dmap/internal/retryafter"
)

// HTTP statuses by which a server throttles.
const (
	tooManyRequests    = 429
	serviceUnavailable = 503
)

// codes are the codes of throttling of the AWS SDKs, which S3 and many compatible services use, and
// of Azure. LimitExceededException is none: it is a quota that does not pass.
var codes = map[string]bool{ //nolint:gochecknoglobals // a table
	"SlowDown": true, "Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestThrottled": true,
	"RequestThrottledException": true, "TooManyRequests": true, "TooManyRequestsException": true, "RequestLimitExceeded": true,
	"ProvisionedThroughputExceededException": true, "BandwidthLimitExceeded": true, "PriorRequestNotComplete": true,
	"EC2ThrottledException": true, "ServerBusy": true,
}

// Is reports whether an error in the chain of err is an answer by which a server throttles:
//   - the HTTP status 429 or 503, in a method HTTPStatusCode or HTTPCode, or in an integer field
//     Code or StatusCode (AWS, Google, Azure);
//   - a code of throttling, such as SlowDown, in a method ErrorCode (AWS);
//   - ResourceExhausted, as the status of gRPC or Connect, or the code of gocloud.
//
// It calls methods of the errors: the caller is inside a guard.Call, or knows that err is plain.
func Is(err error) bool { return guard.Walk(err, throttles) }

func throttles(err error) bool {
	if !speaks(err) {
		return false
	}
	if e, ok := err.(interface{ ErrorCode() string }); ok && codes[e.ErrorCode()] {
		return true
	}
	v := reflect.ValueOf(err)
	if status := httpstatus.Of(err); status == tooManyRequests || status == serviceUnavailable {
		return true
	}
	return exhausted(result(v, "Code")) || exhausted(result(result(v, "GRPCStatus"), "Code")) ||
		exhausted(httpstatus.Field(v, "Code")) || exhausted(httpstatus.Field(v, "StatusCode"))
}

// exhausted reports whether a code of gRPC, Connect or gocloud is ResourceExhausted.
func exhausted(code reflect.Value) bool {
	if !code.IsValid() || !code.CanInterface() || !code.CanInt() && !code.CanUint() {
		return false
	}
	named, ok := code.Interface().(fmt.Stringer)
	if !ok {
		return false
	}
	name := named.String()
	return name == "ResourceExhausted" || name == "resource_exhausted"
}

// result calls a method that v may have, without arguments. It returns the zero Value if there is
// none of that kind.
func result(v reflect.Value, method string) reflect.Value {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return reflect.Value{}
	}
	var m reflect.Value
	switch method { // constant names, so that the linker may drop other methods
	case "Code":
		m = v.MethodByName("Code")
	case "GRPCStatus":
		m = v.MethodByName("GRPCStatus")
	}
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 {
		return reflect.Value{}
	}
	return m.Call(nil)[0]
}

// Asked returns the wait that the chain of err asks for: by a method RetryAfter, or by the header
// Retry-After of the answer that the error of an SDK holds. 0: it asks for none. Like Is, it calls
// methods of the errors.
func Asked(err error, now time.Time) (wait time.Duration) {
	guard.Walk(err, func(err error) bool {
		if e, ok := err.(interface{ RetryAfter() time.Duration }); ok {
			wait = min(max(0, e.RetryAfter()), retryafter.Longest)
			return true
		}
		v := reflect.ValueOf(err)
		for _, header := range [...]reflect.Value{
			httpstatus.Field(v, "Header"), httpstatus.Field(httpstatus.Field(v, "RawResponse"), "Header"), httpstatus.Field(httpstatus.Field(v, "Response"), "Header"),
		} {
			if after := first(header, "Retry-After"); after != "" {
				var ok bool
				wait, ok = retryafter.Parse(after, first(header, "Date"), now)
				return ok
			}
		}
		return false
	})
	return wait
}

// first returns a value of an http.Header.
func first(header reflect.Value, name string) string {
	if !header.IsValid() || !header.CanInterface() || !header.CanConvert(headerType) {
		return ""
	}
	values, _ := header.Convert(headerType).Interface().(map[string][]string)
	if len(values[name]) == 0 {
		return ""
	}
	return values[name][0]
}

var headerType = reflect.TypeFor[map[string][]string]()
