package runfolder

import (
	"fmt"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
)

// Limits of edits.
const (
	MaxEdits    = journal.MaxEdits // that a record names
	MaxEditText = 256              // bytes of a text of an edit
)

// Edits are changes of settings while a run runs.
type Edits struct {
	Count  int64  `json:"count"`
	Newest []Edit `json:"newest"`
}

// Edit is one change of a setting.
type Edit struct {
	At      time.Time `json:"at"`
	Setting string    `json:"setting"`
	From    string    `json:"from"`
	To      string    `json:"to"`
}

// Tolerance says how many failures a run tolerates: dmap.Tolerance.
type Tolerance struct {
	Count         int64   `json:"count,omitempty"`
	Percentage    float64 `json:"percentage,omitempty"`
	MinItems      int64   `json:"minItems,omitempty"`
	BrokenObjects int64   `json:"brokenObjects,omitempty"`
}

// editList decodes Edits.
func editList(out **Edits) func(*stream) error {
	return func(s *stream) error {
		*out = new(Edits)
		return s.object(*out, map[string]func(*stream) error{"newest": listOf(&(*out).Newest, MaxEdits, "edit", decodedEdit)})
	}
}

func decodedEdit(_ []Edit, e *Edit) error {
	if len(e.Setting) > MaxEditText || len(e.From) > MaxEditText || len(e.To) > MaxEditText {
		return fmt.Errorf("a text has more than %d bytes", MaxEditText)
	}
	return nil
}

// check checks Edits that were decoded, or are to be written.
func (e *Edits) check() error {
	switch {
	case e == nil:
		return nil
	case len(e.Newest) > MaxEdits:
		return fmt.Errorf("more than %d edits", MaxEdits)
	case e.Count < int64(len(e.Newest)):
		return fmt.Errorf("%d edits are counted, %d are there", e.Count, len(e.Newest))
	}
	for i := range e.Newest {
		if err := decodedEdit(nil, &e.Newest[i]); err != nil {
			return fmt.Errorf("edit %d: %w", i, err)
		}
	}
	return checkCounts(e.Count)
}

func (t *Tolerance) check() error {
	switch {
	case t == nil:
		return nil
	case !(t.Percentage >= 0 && t.Percentage <= 100):
		return fmt.Errorf("tolerance is %v %%", t.Percentage)
	}
	if err := checkLimits(t.Count, t.MinItems, t.BrokenObjects); err != nil {
		return fmt.Errorf("tolerance: %w", err)
	}
	return nil
}
