package dmap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-dmap/dmap/internal/attention"
	"github.com/go-dmap/dmap/internal/guard"
)

// inspect runs f, which calls errors.Is, errors.As or methods of err. These reach methods that a
// user wrote, which may panic, end their goroutine, or find a nil receiver: then inspect returns an
// error. f runs on a goroutine of its own unless no such method is in the chain.
func inspect(err error, f func()) error {
	if guard.PlainError(err) {
		f()
		return nil
	}
	return isolated(func() error { f(); return nil })
}

// errorText is the text of err for the error of a run. It survives an Error method that panics or
// ends its goroutine.
func errorText(err error) string {
	text := fmt.Sprintf("%T, whose Error method did not return", err)
	_ = inspect(err, func() { text = err.Error() })
	return text
}

// maxText is how many bytes of an error the log and a commit get.
const maxText = 1 << 10

// boundedText is errorText of at most maxText bytes of valid UTF-8; empty for nil.
func boundedText(err error) string {
	if err == nil {
		return ""
	}
	text := errorText(err)
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}

// classOf is Class for errors that hold values of users.
func classOf(err error) (class string) {
	class = "error"
	_ = inspect(err, func() { class = Class(err) })
	return class
}

// skips reports whether a source or a function marked an item as skipped by err.
func skips(err error) bool {
	if err == nil || err == ErrSkip { // the usual mark, compared for speed
		return err != nil
	}
	return matches(err, ErrSkip)
}

// matches is errors.Is for errors that hold values of users.
func matches(err, target error) (found bool) {
	_ = inspect(err, func() { found = errors.Is(err, target) })
	return found
}

func needsPerson(err error) (needed bool) {
	_ = inspect(err, func() { needed = attention.Needed(err) })
	return needed
}
