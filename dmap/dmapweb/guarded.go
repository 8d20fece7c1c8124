package dmapweb

import "github.com/go-dmap/dmap/internal/guard"

// guarded returns the Options with functions of the host that survive a panic. A key whose
// redaction fails is hidden.
func (o Options) guarded() Options {
	if redact := o.Redact; redact != nil {
		o.Redact = func(key string) string {
			shown, how := guard.Call(func() string { return redact(key) })
			if how != "" {
				return "(hidden)"
			}
			return shown
		}
	}
	if total := o.Total; total != nil {
		o.Total = func(runID string) int64 {
			n, _ := guard.Call(func() int64 { return total(runID) })
			return n
		}
	}
	return o
}
