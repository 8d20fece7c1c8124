package watch

import "github.com/go-dmap/dmap/internal/guard"

// redactor returns the text in place of a key: by the host, else by the run, as in its log. A
// key whose redaction fails is hidden. nil: keys are shown.
func redactor(host, run func(string) string) func(string) string {
	redact := host
	if redact == nil {
		redact = run
	}
	if redact == nil {
		return nil
	}
	return func(key string) string {
		shown, how := guard.Call(func() string { return redact(key) })
		if how != "" {
			return "(hidden)"
		}
		return shown
	}
}
