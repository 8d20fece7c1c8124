package dmap

import (
	"errors"
	"fmt"

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

// skips reports whether a source or a function marked an item as skipped by err.
func skips(err error) (skip bool) {
	if err == nil || err == ErrSkip { // the usual mark, compared for speed
		return err != nil
	}
	if inspect(err, func() { skip = errors.Is(err, ErrSkip) }) != nil {
		return false
	}
	return skip
}

// matches is errors.Is for errors that hold values of users, whose methods may panic.
func matches(err, target error) (found bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}

func needsPerson(err error) (needed bool) {
	defer func() { _ = recover() }()
	return attention.Needed(err)
}
