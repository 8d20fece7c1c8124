// Package batch groups items into batches: by count, by bytes, or after a wait. It groups; it runs nothing.
package batch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits close a batch: whichever is reached first. At least Items or Bytes must be set.
type Limits struct {
	Items int           `json:"items,omitempty"` // at most so many items; 0: no limit
	Bytes int64         `json:"bytes,omitempty"` // at most so many bytes by Item.Size; 0: no limit. A larger item is alone
	Wait  time.Duration `json:"wait,omitempty"`  // at most so long after the first item; 0: until full or the split ends
}

// MaxItems is the largest Limits.Items, and the bound where only bytes are limited.
const MaxItems = 10_000

// Validate returns all that is wrong with l, joined.
func (l Limits) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("batch: Limits"+format, args...))
		}
	}
	check(l.Items >= 0 && l.Items <= MaxItems, ".Items %d: want 0 to %d", l.Items, MaxItems)
	check(l.Bytes >= 0, ".Bytes %d is negative", l.Bytes)
	check(l.Wait >= 0, ".Wait %v is negative", l.Wait)
	check(l.Items != 0 || l.Bytes != 0, ": set Items, Bytes or both")
	return errors.Join(errs...)
}

// Fits reports whether an item of size bytes still goes into a batch that holds items items of bytes bytes.
func (l Limits) Fits(items int, bytes, size int64) bool {
	if items == 0 {
		return true
	}
	return items < l.most() && (l.Bytes == 0 || bytes+size <= l.Bytes)
}

// Full reports whether a batch of items items and bytes bytes takes nothing more.
func (l Limits) Full(items int, bytes int64) bool {
	return items >= l.most() || l.Bytes > 0 && bytes >= l.Bytes
}

func (l Limits) most() int {
	if l.Items == 0 {
		return MaxItems
	}
	return l.Items
}

// Errors is what a batch function returns to fail only some items: the errors by position in the batch. Items that it
// does not name have succeeded.
type Errors map[int]error

func (e Errors) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d items of the batch failed", len(e))
	for n, i := range slices.Sorted(maps.Keys(e)) {
		if n == 3 {
			b.WriteString("; ...")
			break
		}
		fmt.Fprintf(&b, "; %d: %v", i, e[i])
	}
	return b.String()
}

// Unwrap returns the errors in order of position.
func (e Errors) Unwrap() []error {
	errs := make([]error, 0, len(e))
	for _, i := range slices.Sorted(maps.Keys(e)) {
		errs = append(errs, e[i])
	}
	return errs
}

// Err returns e as an error, nil if it names no failure.
func (e Errors) Err() error {
	for _, err := range e {
		if err != nil {
			return e
		}
	}
	return nil
}
