package sink

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// Defaults and limits of BucketOptions.
const (
	DefaultPartBytes = 4 << 20
	DefaultPartAge   = 30 * time.Second
	MaxPartBytes     = 1 << 30
)

// BucketOptions shape what [Bucket] writes. The zero value is valid.
type BucketOptions struct {
	// URL names the bucket in the manifest (DestinationBucket), because a *blob.Bucket does not
	// know its own name: a name or a URL. Credentials and most of the query are removed before it
	// is stored. Empty: the manifest names none.
	URL string
	// Records is the form of SUCCEEDED records. FAILED and PENDING records are always whole. Zero:
	// Full.
	Records Records
	// Inputs selects the records that hold the item's value. Zero: FAILED and PENDING.
	Inputs Inputs
	// PartBytes is the size in bytes at which a part is closed, at most MaxPartBytes. Only a part
	// of a single larger record is larger. At most three parts are in memory at once. 0:
	// DefaultPartBytes.
	PartBytes int64
	// Express keeps no journal, for short jobs that are repeated as a whole: an interrupted run
	// cannot be resumed, and its manifest is written at every end.
	Express bool
	// PartAge is the time after its first record at which a small part is closed. 0:
	// DefaultPartAge.
	PartAge time.Duration
}

// Records is the form of SUCCEEDED records.
type Records string

// The forms. Only Full keeps the item of an output.
const (
	Full         Records = ""              // identity of the item, attempts, duration and output
	Compact      Records = "COMPACT"       // the output alone
	Flatten      Records = "FLATTEN"       // the output alone, one record per element of those that are JSON arrays
	FailuresOnly Records = "FAILURES_ONLY" // none: successes are counted, not written
)

// Inputs selects the records that hold the item's value.
type Inputs string

// The choices. Without inputs a redrive reads the items from the source again.
const (
	InputsForRedrive Inputs = ""    // FAILED and PENDING
	InputsAll        Inputs = "ALL" // and SUCCEEDED, where Records is Full
	// InputsNone keeps item values out of the results: neither inputs nor, in texts of errors, the
	// values of panics, of cells and lines that do not decode, and texts of MarshalJSON methods.
	// The run's log and error have none, either. The identity of an item stays. The outputs and the
	// texts of errors that the function returns are stored: see dmap.Redact.
	InputsNone Inputs = "NONE"
)

// validate returns all errors of o, joined.
func (o BucketOptions) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("sink: BucketOptions."+format, args...))
		}
	}
	_, err := runfolder.Location(o.URL)
	check(err == nil, "URL: %v", err)
	check(slices.Contains([]Records{Full, Compact, Flatten, FailuresOnly}, o.Records), "Records %q is unknown", o.Records)
	check(slices.Contains([]Inputs{InputsForRedrive, InputsAll, InputsNone}, o.Inputs), "Inputs %q is unknown", o.Inputs)
	check(o.PartBytes >= 0 && o.PartBytes <= MaxPartBytes, "PartBytes %d: want 0 to %d", o.PartBytes, MaxPartBytes)
	check(o.PartAge >= 0, "PartAge %v is negative", o.PartAge)
	return errors.Join(errs...)
}

func (o BucketOptions) withDefaults() BucketOptions {
	if o.PartBytes == 0 {
		o.PartBytes = DefaultPartBytes
	}
	if o.PartAge == 0 {
		o.PartAge = DefaultPartAge
	}
	return o
}
