// Package errtext makes the texts of errors and the names of items that a run stores, logs and
// returns, by the rules of the run: values of items may be hidden, and keys and texts redacted by
// functions of the user.
package errtext

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/go-dmap/dmap/internal/guard"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Rules say what texts may show. The nil Rules, and the zero ones, show all but secrets.
type Rules struct {
	// HideValues keeps values of items out of texts: errors with a method WithoutValue() string
	// show that.
	HideValues bool
	Key        func(key string) string  // nil: keys are shown
	Error      func(text string) string // nil: texts are shown
}

// Hidden is shown in place of a text whose redaction failed.
const Hidden = "(hidden: "

// valueFree is an error that can name the fault without the value of an item.
type valueFree interface{ WithoutValue() string }

// Text is the text of err, which is about the item or object with this key, in at most most bytes.
func (r *Rules) Text(err error, key string, most int) string {
	if err == nil {
		return ""
	}
	text, found := "", false
	if r != nil && r.HideValues {
		text, found = withoutValue(err, most)
	}
	if !found {
		text = guard.Text(err, most)
	}
	return r.redacted(text, key, most)
}

// withoutValue is the text of the first error of the chain that has one without a value.
func withoutValue(err error, most int) (text string, found bool) {
	free, ok := guard.As[valueFree](err)
	if !ok {
		return "", false
	}
	text, how := guard.Call(free.WithoutValue)
	if how != "" {
		return fmt.Sprintf("%T, whose WithoutValue method %s", free, how), true
	}
	return scrub.Text(text, most), true
}

// redacted applies the functions of the user to a text.
func (r *Rules) redacted(text, key string, most int) string {
	if r == nil {
		return text
	}
	if r.Key != nil && key != "" {
		shown := r.ShownKey(key)
		escaped := strconv.Quote(key)
		for _, form := range []string{key, escaped[1 : len(escaped)-1], scrub.Printable(key, true)} {
			text = strings.ReplaceAll(text, form, shown)
		}
		text = scrub.Clip(text, most)
	}
	if r.Error == nil {
		return text
	}
	out, how := guard.Call(func() string { return r.Error(text) })
	if how != "" {
		return Hidden + "Redact.Error " + string(how) + ")"
	}
	return scrub.Text(out, most)
}

// maxKey is how many bytes of a key texts show: stores allow 1,024.
const maxKey = 2 << 10

// ShownKey is a key as texts and log lines show it.
func (r *Rules) ShownKey(key string) string {
	if r != nil && r.Key != nil {
		shown, how := guard.Call(func() string { return r.Key(key) })
		if how != "" {
			return Hidden + "Redact.Key " + string(how) + ")"
		}
		key = shown
	}
	return scrub.Word(scrub.Secrets(scrub.Clip(key, maxKey)))
}

// ShownID is the ID of an item as texts and log lines show it. wholeObject says that it is its key.
func (r *Rules) ShownID(key string, offset int64, wholeObject bool) string {
	if wholeObject {
		return r.ShownKey(key)
	}
	return r.ShownKey(key) + "@" + strconv.FormatInt(offset, 10)
}

// PanicText describes the value of a panic.
func PanicText(value any, most int) string {
	switch v := value.(type) {
	case error:
		return guard.Text(v, most)
	case string:
		return scrub.Text(v, most)
	}
	if !small(value, most) {
		return fmt.Sprintf("a %T, which is too large to print", value)
	}
	text, how := guard.Call(func() string { return scrub.Text(fmt.Sprint(value), most) })
	if how != "" {
		return fmt.Sprintf("a %T, whose text %s", value, how)
	}
	return text
}

// PanicWithoutValue describes a panic whose value may be that of an item. The errors of the
// runtime, such as that of an index out of range, hold none.
func PanicWithoutValue(value any) string {
	if failure, ok := value.(runtime.Error); ok && strings.HasPrefix(strings.TrimPrefix(fmt.Sprintf("%T", value), "*"), "runtime.") {
		return failure.Error()
	}
	return fmt.Sprintf("a %T, which is hidden", value)
}
