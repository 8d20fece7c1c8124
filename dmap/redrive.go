package dmap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-dmap/dmap/internal/glob"
)

// Redrive continues a run that has ended: in its own folder, under its RunID. The failed items that
// the fields choose run again, then everything that is pending or was never read; the function,
// Version, filters, batch limits, retries, concurrency and tolerance may be new. Each item is read
// from the source again and keeps its idempotency key. The counts are those of the whole run.
//
// The same call continues a redrive that was interrupted; its items were fixed when it began. A
// redrive needs a sink with a journal, such as sink.Bucket. While it runs, the Tolerance applies to
// its own items: a percentage is of the items that it processes. Its end is judged by all items.
type Redrive struct {
	// Max is how many redrives a run that ended without success may have. 0: none.
	Max int `json:"max,omitempty"`
	// Canceled redrives runs that were canceled too.
	Canceled bool `json:"canceled,omitempty"`
	// Tolerated redrives the failures of runs that have succeeded because they were tolerated.
	Tolerated bool `json:"tolerated,omitempty"`
	// Classes of errors to take, as Class returns them. Empty: all.
	Classes []string `json:"classes,omitempty"`
	// Glob must match the key of an item, as in a shell: *, ?, [a-z] and [!a-z] between slashes,
	// "**" for any number of directories, {a,b} for either. Empty: every key.
	Glob string `json:"glob,omitempty"`
	// Limit makes the redrive a trial: it takes at most this number of failed items, and leaves
	// everything else as it is. A trial is made also beyond Max, and does not count for it. 0: no
	// trial.
	Limit int64 `json:"limit,omitempty"`
	// Groups of failures to take, by the IDs that results.Groups gives. Empty: all. The group
	// "other" cannot be chosen: its failures are of groups that have no place in the index.
	Groups []string `json:"groups,omitempty"`
	// Changed takes a row also if its object has changed, for a file in which somebody has mended
	// the rows that failed: if a record begins at the same offset of the object, as the record of
	// the same number, after the same header. It may be longer or shorter; then the rows after it
	// begin elsewhere, and fail with the class "changed", as all rows of the object do without
	// Changed. An object that changed before all of it was read stays a broken object.
	Changed bool `json:"changed,omitempty"`
	// Match must accept a failed item that the other fields choose; its Err has the stored class
	// and text. nil: every one. Called before the redrive begins, on one goroutine.
	Match func(*ItemError) bool `json:"-"`
}

func (r Redrive) validate() error {
	var errs []error
	if r.Max < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Max %d is negative", r.Max))
	}
	if r.Limit < 0 {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Limit %d is negative", r.Limit))
	}
	if _, err := glob.Compile(r.Glob); err != nil {
		errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Glob: %w", err))
	}
	for _, id := range r.Groups {
		if !groupID(id) {
			errs = append(errs, fmt.Errorf("dmap: Options.Redrive.Groups: %q is no ID of a group: want 12 hexadecimal digits, as results.Groups gives", id))
		}
	}
	if !r.wanted() && (r.Canceled || r.Tolerated || len(r.Classes) > 0 || len(r.Groups) > 0 || r.Glob != "" || r.Changed || r.Match != nil) {
		errs = append(errs, errors.New("dmap: Options.Redrive has no effect without Max or Limit"))
	}
	return errors.Join(errs...)
}

// groupID reports whether id may be the ID of a group of failures.
func groupID(id string) bool { return len(id) == 12 && strings.Trim(id, "0123456789abcdef") == "" }

// wanted reports whether r may redrive a run.
func (r Redrive) wanted() bool { return r.Max > 0 || r.Limit > 0 }

// errNoJournal refuses a redrive of a run whose progress nobody records.
var errNoJournal = errors.New("Options.Redrive: the run has no journal, so it cannot be redriven: use sink.Bucket without Express")
