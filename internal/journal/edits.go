package journal

import "time"

// MaxEdits is how many edits of a run are kept: the newest.
const MaxEdits = 100

// Edit is a change of a setting of a run while it runs.
type Edit struct {
	At      time.Time `json:"at"`
	Setting string    `json:"setting"` // dmap.EditEvent.Setting
	From    string    `json:"from"`    // dmap.EditEvent.Texts
	To      string    `json:"to"`
}

// Edits are the edits of some commits, or of a run. Their size is bounded.
type Edits struct {
	Count  int64  `json:"count"`  // of all
	Newest []Edit `json:"newest"` // in the order in which they were made, at most MaxEdits
}

// Add adds later edits.
func (e *Edits) Add(o Edits) {
	e.Count += o.Count
	e.Newest = NewestEdits(e.Newest, o.Newest)
}

// NewestEdits appends later edits to kept, and returns the newest MaxEdits. T is an Edit, or its
// stored form.
func NewestEdits[T any](kept, later []T) []T {
	kept = append(kept, later...)
	if n := len(kept) - MaxEdits; n > 0 {
		kept = append(kept[:0], kept[n:]...)
	}
	return kept
}

// Tolerance is a dmap.Tolerance.
type Tolerance struct {
	Count         int64
	Percentage    float64
	MinItems      int64
	BrokenObjects int64
}
