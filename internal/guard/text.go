package guard

import (
	"fmt"

	"github.com/go-dmap/dmap/internal/scrub"
)

// Text is the text of err as it may be stored, logged and returned: without secrets and control
// characters, and in at most most bytes. It survives an Error method that panics, ends its
// goroutine, or does not return: then the text says so.
func Text(err error, most int) string {
	if err == nil {
		return ""
	}
	if PlainError(err) {
		return scrub.Text(err.Error(), most)
	}
	text, how := Call(func() string { return scrub.Text(err.Error(), most) })
	if how != "" {
		return scrub.Text(fmt.Sprintf("%T, whose Error method %s", err, how), most)
	}
	return text
}

// maxShown is how many bytes of a text Shown keeps.
const maxShown = 8 << 10

// Shown returns err with the text that [Text] gives it. Its chain is that of err, and so is its
// text if that needs no change.
func Shown(err error) error {
	if err == nil {
		return nil
	}
	text := Text(err, maxShown)
	if PlainError(err) && text == err.Error() {
		return err
	}
	return &shown{text, err}
}

type shown struct {
	text string
	err  error
}

func (e *shown) Error() string { return e.text }

// Unwrap returns the error.
func (e *shown) Unwrap() error { return e.err }
