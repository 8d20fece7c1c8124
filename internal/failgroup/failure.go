package failgroup

import "time"

// Failure is one failed item.
type Failure struct {
	Class    string // of the error
	Text     string // of the error; the first 4 KiB count
	Key      string // of the item's object
	ID       string // of the item: the key, or key@offset
	Attempts int    // calls of the item; 0: it was never called
	At       time.Time
}
