// Package batch decides how items are grouped into batches: by count, by bytes, or by waiting
// time. It is pure code and runs nothing.
package batch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits close a batch as soon as one of them is reached. At least one of Items and Bytes must be
// set.
type Limits struct {
	// Items is the maximum number of items, up to MaxItems. 0: no limit.
	Items int `json:"items,omitempty"`
	// Bytes is the maximum sum of Item.Size. 0: no limit. A larger item gets a batch of its own.
	Bytes int64 `json:"bytes,omitempty"`
	// Wait closes a batch this long after its first item. 0: a batch stays open until it is full or
	// the split ends.
	Wait time.Duration `json:"wait,omitempty"`
}

// MaxItems is the largest valid Limits.Items. It also bounds batches that are limited by bytes
// alone.
const MaxItems = 10_000

// Validate returns all errors in l, joined.
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

// Fits reports whether an item of size bytes fits into a batch of items items and bytes bytes. An
// item of any size fits into an empty batch.
func (l Limits) Fits(items int, bytes, size int64) bool {
	if items == 0 {
		return true
	}
	return items < l.maxItems() && (l.Bytes == 0 || bytes+size <= l.Bytes)
}

// Full reports whether a batch of items items and bytes bytes is complete.
func (l Limits) Full(items int, bytes int64) bool {
	return items >= l.maxItems() || l.Bytes > 0 && bytes >= l.Bytes
}

// maxItems returns the effective limit on items.
func (l Limits) maxItems() int {
	if l.Items == 0 {
		return MaxItems
	}
	return l.Items
}

// Errors is returned by a batch function to fail some items only. The key is the index of the item
// in the batch. Items without an error have succeeded.
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

// Unwrap returns the errors in the order of their index.
func (e Errors) Unwrap() []error {
	errs := make([]error, 0, len(e))
	for _, i := range slices.Sorted(maps.Keys(e)) {
		errs = append(errs, e[i])
	}
	return errs
}

// Err returns e as an error, or nil if it holds no error.
func (e Errors) Err() error {
	for _, err := range e {
		if err != nil {
			return e
		}
	}
	return nil
}
