package sink

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/guard"
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

// inspect runs f, which calls methods of err. One of them may end the goroutine; f survives panics
// itself.
func inspect(err error, f func()) {
	if guard.PlainError(err) {
		f()
		return
	}
	_ = guard.Returns(f)
}

// errorText is the text of err, in valid UTF-8 and at most 4 KiB. It survives a panic or a Goexit
// of the Error method.
func errorText(err error) (text string) {
	broken := func(how string, with any) string {
		return clip(fmt.Sprintf("%T, whose Error method %s: %v", err, how, with), maxErrorText)
	}
	text = broken("did not return", errGoexit)
	inspect(err, func() {
		defer func() {
			if p := recover(); p != nil {
				text = broken("panicked", p)
			}
		}()
		text = clip(err.Error(), maxErrorText)
	})
	return text
}

// errorClass is dmap.Class of err. It survives a panic or a Goexit of the methods of err.
func errorClass(err error) (class string) {
	class = "error"
	inspect(err, func() {
		defer func() { _ = recover() }()
		class = clip(dmap.Class(err), maxClass)
	})
	return class
}

// panicStack is the stack of the panic in err, from the line that panicked, at most 4 KiB; empty
// without a panic.
func panicStack(err error) string {
	var panicked *dmap.PanicError
	found := false
	inspect(err, func() {
		defer func() { _ = recover() }()
		found = errors.As(err, &panicked)
	})
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
	return clip(string(text[:min(len(text), 2*maxStack)]), maxStack)
}

// rawInput returns the bytes of the item that could not be read because of err, at most 4 KiB. An
// error of a source has them by the method of source.RowError.
func rawInput(err error) (raw []byte, truncated bool) {
	inspect(err, func() {
		defer func() { _ = recover() }()
		var has interface{ RawInput() ([]byte, bool) }
		if errors.As(err, &has) {
			raw, truncated = has.RawInput()
		}
	})
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

// clip returns at most n bytes of s, valid UTF-8 and ending with a whole character.
func clip(s string, n int) string {
	if len(s) > n {
		cut := n
		for cut > n-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > n { // three bytes for each bad one
		return clip(s, n)
	}
	return s
}

// encodeError says that a value could not be written as JSON.
type encodeError struct{ err error }

func (e *encodeError) Error() string { return fmt.Sprintf("encode the output: %v", e.err) }
func (e *encodeError) Unwrap() error { return e.err }

// Class makes dmap.Class call it "encode".
func (e *encodeError) Class() string { return "encode" }
