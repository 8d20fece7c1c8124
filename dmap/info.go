package dmap

import (
	"crypto/sha256"
	"encoding/hex"
)

// Info identifies the item of a call.
type Info struct {
	RunID   string // of the run
	Split   string // Split.ID
	Key     string // Item.Key
	Offset  int64  // Item.Offset
	Index   int64  // Item.Index
	Attempt int    // of this call, from 1; 0 if no call was made
	Redrive int    // number of the redrive that makes the call, from 1; 0: the run is not redriven

	// Decision is that of a person about the item, which an earlier call has held: see Hold. nil:
	// the item was not held. In a batch it is that of the first item: see DecisionAt.
	Decision *Decision
}

// ID names the item in its source: "data/a.json" for an object, "orders.csv@1024" for a record.
func (i Info) ID() string { return itemID(i.Key, i.Offset) }

// IdempotencyKey is the same for every attempt at the item in this run, through crashes and
// resumes and redrives, and differs between items and runs: 32 hexadecimal digits. In a redrive a
// service may replay the failure that it has stored for the key. Add Info.Redrive to the key only
// for failures that are known to have had no effect.
// The key is empty for the zero Info, which InfoFrom returns outside a call: there is no item then,
// and no key that is its own.
func (i Info) IdempotencyKey() string { return IdempotencyKey(i.RunID, i.ID()) }

// IdempotencyKey derives the key of an item from the run's ID and [Item.ID]: what a batch function
// needs per item. It is the first half of SHA-256 over both, separated by a zero byte, and empty if
// runID is empty: that key would not differ between runs.
func IdempotencyKey(runID, itemID string) string {
	if runID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(runID + "\x00" + itemID))
	return hex.EncodeToString(sum[:16])
}
