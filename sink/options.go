package sink

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Defaults and limits of BucketOptions.
const (
	DefaultPartBytes = 4 << 20
	DefaultPartAge   = 30 * time.Second
	MaxPartBytes     = 1 << 30
)

// BucketOptions shape what [Bucket] writes. The zero value is valid.
type BucketOptions struct {
	// URL names the bucket for the manifest's DestinationBucket, as a *blob.Bucket does not know where it lies: a name or
	// a URL, of which credentials and most of the query are dropped before it is stored. Empty: the manifest names none.
	URL string
	// Records is the form of SUCCEEDED records. FAILED and PENDING records are always whole. Zero: Full.
	Records Records
	// Inputs says which records hold the item's value. Zero: those that a redrive needs.
	Inputs Inputs
	// PartBytes is the size at which a part is closed, at most MaxPartBytes; only a single larger record makes a larger
	// part. At most three parts are in memory at once. 0: DefaultPartBytes.
	PartBytes int64
	// Express keeps no journal, for quick jobs that are repeated as a whole: a run that breaks off cannot be resumed, and
	// its manifest is written however it ends.
	Express bool
	// PartAge is how long after its first record a part is closed even if it is small. 0: DefaultPartAge.
	PartAge time.Duration
}

// Records is the form of SUCCEEDED records.
type Records string

// The forms. All but Full lose which item an output belongs to.
const (
	Full         Records = ""              // identity of the item, attempts, duration and output
	Compact      Records = "COMPACT"       // the output alone
	Flatten      Records = "FLATTEN"       // the output alone, one record per element of those that are JSON arrays
	FailuresOnly Records = "FAILURES_ONLY" // none: successes are counted, not written
)

// Inputs says which records hold the item's value.
type Inputs string

// The choices. Without inputs a redrive reads the items from the source again.
const (
	InputsForRedrive Inputs = ""     // FAILED and PENDING
	InputsAll        Inputs = "ALL"  // and SUCCEEDED, where Records is Full
	InputsNone       Inputs = "NONE" // no item values in the results, only their identity
)

// validate returns all that is wrong with o, joined.
func (o BucketOptions) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("sink: BucketOptions."+format, args...))
		}
	}
	_, err := location(o.URL)
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

// location is raw without what could be secret: user information, fragment, and all of the query that is not known to be
// harmless.
func location(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || !utf8.ValidString(raw) {
		return "", errors.New("not a URL or bucket name") // it is not repeated, as it may hold a password
	}
	query := url.Values{}
	for _, name := range []string{"region", "prefix"} {
		if v := u.Query().Get(name); v != "" {
			query.Set(name, v)
		}
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, query.Encode(), "", ""
	return u.String(), nil
}

// checkPrefix rejects prefixes that stores change silently (fileblob cleans paths) or cannot hold.
func checkPrefix(prefix string) error {
	switch {
	case !utf8.ValidString(prefix):
		return fmt.Errorf("sink: prefix %q is not valid UTF-8", prefix)
	case len(prefix) > 700: // of the 1,024 bytes that S3 allows a key
		return fmt.Errorf("sink: prefix of %d bytes: want at most 700", len(prefix))
	case strings.ContainsFunc(prefix, unicode.IsControl) || strings.Contains(prefix, `\`):
		return fmt.Errorf("sink: prefix %q holds a control character or a backslash", prefix)
	case prefix == "":
		return nil
	}
	for _, segment := range strings.Split(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("sink: prefix %q has an empty, . or .. segment", prefix)
		}
	}
	return nil
}

// runFolder is the folder of a run with a trailing slash. The run ID has been checked by the engine; again here, because
// it becomes part of a key.
func runFolder(prefix, runID string) (string, error) {
	allowed := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-"
	if runID == "" || len(runID) > 128 || runID[0] == '.' || strings.Trim(runID, allowed) != "" {
		return "", fmt.Errorf("sink: run ID %q: want 1 to 128 of letters, digits and ._=-, not starting with a dot", runID)
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	return prefix + runID + "/", nil
}
