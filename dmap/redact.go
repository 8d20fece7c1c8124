package dmap

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-dmap/dmap/internal/errtext"
)

// Redact hides personal data in what a run logs, returns and stores. A nil function hides nothing.
// The functions are called from many goroutines, once for each text; one that panics, or does not
// return within 10 s, hides all of it. Secrets that are known by their form, such as the query of a
// URL, are always cut: see SECURITY.md.
type Redact struct {
	// Key returns what log lines and texts of errors show in place of the key of an item or an
	// object, such as a hash of it. The records of a run folder keep the keys, and so do
	// [Info].Key, [ItemError].Key and [SourceError].Split: by them a resume and a redrive find
	// items again, and services recognize repeated calls. Protect the bucket of the results as that
	// of the source.
	Key func(key string) string
	// Input returns what records store in place of the value of an item, a *T. A redrive is not
	// affected, as it reads items from the source; the record is marked, so that source.Failures
	// does not take the result for the value.
	Input func(value any) any
	// Error returns the text that is logged, returned and stored in place of the text of an error,
	// from which secrets have been cut. The errors inside a returned error, for errors.As, are the
	// original ones.
	Error func(text string) string
}

// hidesValues is a sink that keeps values of items out of its files. The run keeps them out of
// its log and its error then.
type hidesValues interface{ HidesValues() bool }

// textRules are the rules for texts of a run.
func textRules[R any](o Options, sinks []Sink[R]) *errtext.Rules {
	rules := &errtext.Rules{Key: o.Redact.Key, Error: o.Redact.Error}
	for _, s := range sinks {
		if h, ok := s.(hidesValues); ok && h.HidesValues() {
			rules.HideValues = true
		}
	}
	return rules
}

// describe is the text of the error of a run, by the rules of the run.
func describe(rules *errtext.Rules, err error) string {
	switch e := err.(type) { //nolint:errorlint // it describes each error of the tree
	case nil:
		return ""
	case *ToleranceError:
		return e.describe(func(broken *BrokenObjectError) string { return describe(rules, broken) })
	case *BrokenObjectError:
		return fmt.Sprintf("object %s breaks off at offset %d: %s", quotedKey(rules, e.Key), e.Offset, rules.Text(e.Err, e.Key, maxShown))
	case *SourceError:
		return e.describe(rules)
	case *SinkError:
		return "sink " + e.Op + ": " + rules.Text(e.Err, "", maxShown)
	case *ItemError:
		return e.Error()
	case interface{ Unwrap() []error }:
		if reflect.TypeOf(err) != joined {
			break
		}
		text := ""
		for i, one := range e.Unwrap() {
			if i > 0 {
				text += "\n"
			}
			text += describe(rules, one)
		}
		return text
	}
	return rules.Text(err, "", maxShown)
}

var joined = reflect.TypeOf(errors.Join(ErrInternal)) //nolint:gochecknoglobals // a constant

// quotedKey is the key of an object as texts of errors show it.
func quotedKey(rules *errtext.Rules, key string) string {
	shown := rules.ShownKey(key)
	if shown == key {
		return fmt.Sprintf("%q", key)
	}
	return shown
}
