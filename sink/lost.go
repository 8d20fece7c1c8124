package sink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// errEnded is the cause of a loss when Write is called after End.
var errEnded = errors.New("the run has ended")

// LostError names lost records. Write, Flush and End return it, also for records of earlier calls.
// The sink continues to accept results, and its manifest lists all losses.
type LostError struct {
	Part    string // key of the part; empty: the records had not reached one
	Status  string // SUCCEEDED, FAILED or PENDING
	Records int64
	First   string // ID of the item of the first record
	Last    string // and of the last
	Err     error  // the cause
}

func (e *LostError) Error() string {
	cause, in := errorText(e.Err), ""
	if e.Part != "" && !strings.Contains(cause, e.Part) {
		in = fmt.Sprintf(" in part %q", e.Part)
	}
	return fmt.Sprintf("lost %d %s records, items %q to %q%s: %s", e.Records, e.Status, e.First, e.Last, in, cause)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// losses are the lost records of a run.
type losses []*LostError

// with returns l and the loss of the records of c. Losses without a part are summed up per status
// into one entry.
func (l losses) with(status, part string, c *chunk, cause error) losses {
	next := &LostError{
		Part: part, Status: status, Records: c.records, First: c.first.ID(), Last: c.last.ID(), Err: cause,
	}
	if part == "" {
		for i, old := range l {
			if old.Part == "" && old.Status == status { // replaced, not changed: a caller may hold old
				next.First, next.Err = old.First, old.Err
				next.Records += old.Records
				l[i] = next
				return l
			}
		}
	}
	return append(l, next)
}

// first returns the error that Write returns after a loss, and nil if nothing was lost.
func (l losses) first() error {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

// joined is l as one error, nil without a loss. It prints ten losses; the manifest lists all.
func (l losses) joined() error {
	var errs []error
	for i, e := range l {
		if i == 10 {
			errs = append(errs, fmt.Errorf("and %d more losses", len(l)-i))
			break
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// listed is l for the manifest.
func (l losses) listed() []runfolder.Lost {
	var list []runfolder.Lost
	for _, e := range l {
		list = append(list, runfolder.Lost{
			Part: e.Part, Status: e.Status, Records: e.Records, First: e.First, Last: e.Last, Error: errorText(e.Err),
		})
	}
	return list
}
