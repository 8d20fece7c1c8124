package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Bounds of the fields about an error, in bytes.
const (
	maxErrorText = 4 << 10
	maxClass     = 64
	maxStack     = 4 << 10
	maxRawInput  = 4 << 10
)

// errGoexit is the cause of a loss when a driver, or a method of a value, ended its goroutine.
var errGoexit = errors.New("runtime.Goexit while writing")

// errorText is the text of err, without secrets, in valid UTF-8 and at most 4 KiB. It survives all
// that an Error method may do.
func errorText(err error) string { return guard.Text(err, maxErrorText) }

// errorClass is dmap.Class of err, bounded.
func errorClass(err error) string { return scrub.Text(dmap.Class(err), maxClass) }

// panicStack is the stack of the panic in err, from the line that panicked, at most 4 KiB; empty
// without a panic.
func panicStack(err error) string {
	panicked, found := guard.As[*dmap.PanicError](err)
	if !found {
		return ""
	}
	text := panicked.Stack
	if i := bytes.LastIndex(text, []byte("\npanic(")); i >= 0 { // two lines: the function, its file
		text = text[i+1:]
		for range 2 {
			if end := bytes.IndexByte(text, '\n'); end >= 0 {
				text = text[end+1:]
			}
		}
	}
	return scrub.Clip(string(text[:min(len(text), 2*maxStack)]), maxStack)
}

// rawInput returns the bytes of the item that could not be read because of err, at most 4 KiB. An
// error of a source has them by the method of source.RowError.
func rawInput(err error) (raw []byte, truncated bool) {
	type rest struct {
		raw       []byte
		truncated bool
	}
	if has, ok := guard.As[interface{ RawInput() ([]byte, bool) }](err); ok {
		got, _ := guard.Call(func() (r rest) {
			r.raw, r.truncated = has.RawInput()
			return r
		})
		raw, truncated = got.raw, got.truncated
	}
	if len(raw) > maxRawInput {
		raw, truncated = raw[:maxRawInput], true
	}
	if truncated {
		raw = wholeRunes(raw)
	}
	return raw, truncated
}

// wholeRunes drops a character of text that is cut off at its end.
func wholeRunes(raw []byte) []byte {
	for n := len(raw); n > len(raw)-utf8.UTFMax && n > 0; n-- {
		if utf8.Valid(raw[:n]) {
			return raw[:n]
		}
	}
	return raw
}

// encodeError says that a value could not be written as JSON.
type encodeError struct{ err error }

func (e *encodeError) Error() string { return "encode the output: " + errorText(e.err) }

// WithoutValue is the text without what a method of the output says, which may be a value.
func (e *encodeError) WithoutValue() string {
	switch err := e.err.(type) { //nolint:errorlint // as encoding/json returned it
	case *json.MarshalerError:
		return fmt.Sprintf("encode the output: a method of %v returned a %T, which is hidden", err.Type, err.Err)
	case *json.UnsupportedTypeError:
		return "encode the output: " + err.Error()
	case *valuePanic:
		return "encode the output: " + err.withoutValue()
	default:
		if err == errGoexit || err == errBlocked {
			return e.Error()
		}
		return fmt.Sprintf("encode the output: a %T, which is hidden", e.err)
	}
}

// valuePanic is a panic of a method of a value.
type valuePanic struct{ value, panicked any }

func (e *valuePanic) Error() string {
	return fmt.Sprintf("panic in %T: %s", e.value, errtext.PanicText(e.panicked, maxErrorText))
}

func (e *valuePanic) withoutValue() string {
	return fmt.Sprintf("panic in %T: %s", e.value, errtext.PanicWithoutValue(e.panicked))
}

func (e *encodeError) Unwrap() error { return e.err }

// Class makes dmap.Class call it "encode".
func (e *encodeError) Class() string { return "encode" }
