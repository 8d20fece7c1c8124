package sink

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/errtext"
)

// textRules are the rules for texts of errors in a run.
func textRules(opts BucketOptions, redact dmap.Redact) *errtext.Rules {
	return &errtext.Rules{HideValues: opts.Inputs == InputsNone, Key: redact.Key, Error: redact.Error}
}
