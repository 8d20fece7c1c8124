package coord

import (
	"time"

	"github.com/go-dmap/dmap/dmap"
)

// Plan says how far the source is planned.
type Plan struct {
	Planned bool          `json:"planned,omitempty"` // by tasks. Else all pieces were there from the start
	Done    bool          `json:"done,omitempty"`
	After   *dmap.Split   `json:"after,omitempty"`   // where the next task continues; nil: at the start
	Items   int64         `json:"items,omitempty"`   // of all pieces so far
	Objects int           `json:"objects,omitempty"` // that they are of, up to fewObjects
	Task    int64         `json:"task,omitempty"`    // the last one
	Busy    bool          `json:"busy,omitempty"`    // it has not reported
	Lost    int           `json:"lost,omitempty"`    // tasks in a row
	Until   time.Duration `json:"until,omitempty"`   // the next one starts no earlier
}

// PlanTask asks for the next pieces of the source.
type PlanTask struct {
	Task   int64       `json:"task"`
	After  *dmap.Split `json:"after,omitempty"`
	Pieces int         `json:"pieces"` // at most
	// Items is the size of a piece. Pieces carry their number of items, those that the source skips
	// not counted.
	Items int64 `json:"items"`
	// Whole is the number of items up to which a split of the source is one piece: a lease is done
	// with them soon. 0: nobody knows yet.
	Whole int64 `json:"whole,omitempty"`
	// Few is the number of small objects that are cut all the same: a source that has no more of
	// them would give them to as many leases.
	Few int `json:"few,omitempty"`
	// Max ends the plan after this number of items, those that the source skips not counted; 0: no
	// limit.
	Max int64 `json:"max,omitempty"`
}

// Page has the pieces of a PlanTask, in the order of the source.
type Page struct {
	Task   int64       `json:"task"`
	Pieces Pieces      `json:"pieces,omitempty"`
	Next   *dmap.Split `json:"next,omitempty"` // PlanTask.After of the next task
	Done   bool        `json:"done,omitempty"` // the source has no more pieces
	// Settled is the number of items that are in no piece because they are settled. They count for
	// PlanTask.Max.
	Settled int64 `json:"settled,omitempty"`
	// Again is the number of items of the pieces that were read before. They do not count for Max.
	Again int64 `json:"again,omitempty"`
}
