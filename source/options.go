package source

import (
	"errors"
	"fmt"

	"gocloud.dev/blob"
)

// Limits that apply where options leave them open.
const (
	DefaultMaxRecord = 16 << 20 // bytes of a row or line
	DefaultMaxFields = 10_000   // of a CSV row
	DefaultMaxHeader = 1 << 20  // bytes of a CSV header
	DefaultMaxObject = 64 << 20 // bytes of an object that is read as a whole
)

// maxLimit is the highest limit that can be set, for bytes and for fields.
const maxLimit = 1 << 30

// first returns the one value of options, or zero.
func first[O any](options []O) O {
	var o O
	if len(options) > 0 {
		o = options[0]
	}
	return o
}

// or returns limit, or otherwise if limit is zero.
func or(limit, otherwise int) int {
	if limit == 0 {
		return otherwise
	}
	return limit
}

// checkOptions returns an error for more than one value of options.
func checkOptions(n int) error {
	if n > 1 {
		return fmt.Errorf("%d options: want at most one", n)
	}
	return nil
}

func checkBucket(bucket *blob.Bucket) error {
	if bucket == nil {
		return errors.New("the bucket is nil")
	}
	return nil
}

func checkLimit(name string, limit int) error {
	if limit < 0 || limit > maxLimit {
		return fmt.Errorf("%s %d: want 1 to %d, or 0 for the default", name, limit, maxLimit)
	}
	return nil
}

// invalid adds the name of the source to an error about its arguments.
func invalid(src fmt.Stringer, err error) error { return invalidNamed(src.String(), err) }

func invalidNamed(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
