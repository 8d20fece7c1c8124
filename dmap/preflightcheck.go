package dmap

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/scrub"
)

// PreflightError is one problem that Preflight has found.
type PreflightError struct {
	Check Check
	text  string // by the rules of the call; empty: it has none
}

func (e *PreflightError) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.Check.problem(nil)
}

// Unwrap returns the cause.
func (e *PreflightError) Unwrap() error { return fromOutside(e.Check.Err) }

// problem is the text of a check that found a problem.
func (c Check) problem(rules *errtext.Rules) string {
	text := rules.Text(c.Err, c.Key, maxShown)
	named := func(key string) bool { return strings.Contains(text, fmt.Sprintf("%s %q", c.Op, key)) }
	if !named(c.Key) && !named(rules.ShownKey(c.Key)) {
		text = scrub.Text(c.Op, maxText) + c.key(rules) + ": " + text
	}
	if c.Bucket != "" && !strings.Contains(text, fmt.Sprintf("%q", c.Bucket)) {
		text = fmt.Sprintf("bucket %q: %s", scrub.Text(c.Bucket, maxText), text)
	}
	if c.Next != "" {
		text += ": " + scrub.Text(c.Next, maxText)
	}
	return fmt.Sprintf("preflight: %s: %s", scrub.Text(c.Part, maxText), text)
}

// PreflightReport is all that Preflight has tried: first the call, then the source, then the sinks
// in order.
type PreflightReport struct {
	RunID  string // that of the options, or one that was made for the tries
	Checks []Check
	rules  *errtext.Rules
}

// String has a line for each check.
func (r PreflightReport) String() string {
	var b strings.Builder
	for _, c := range r.Checks {
		switch {
		case c.NotTried:
			fmt.Fprintf(&b, "not tried  %s: %s: %s\n", c.Part, scrub.Text(c.Op, maxText), scrub.Text(c.Found, maxText))
		case c.Err != nil:
			fmt.Fprintf(&b, "PROBLEM    %s\n", strings.TrimPrefix(c.problem(r.rules), "preflight: "))
		default:
			found := after(": ", scrub.Text(c.Found, maxText))
			took := c.Took.Round(time.Millisecond)
			fmt.Fprintf(&b, "ok         %s: %s%s%s (%v)\n", c.Part, scrub.Text(c.Op, maxText), c.place(r.rules), found, took)
		}
	}
	return b.String()
}

// place is where the operation was tried.
func (c Check) place(rules *errtext.Rules) (text string) {
	text = c.key(rules)
	if c.Bucket != "" {
		text += fmt.Sprintf(" in bucket %q", scrub.Text(c.Bucket, maxText))
	}
	return text
}

// key is the key with a space before it.
func (c Check) key(rules *errtext.Rules) string {
	if c.Key == "" {
		return ""
	}
	return " " + quotedKey(rules, c.Key)
}

func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}
