package dmap

import "time"

// Check is one operation that Preflight has tried.
type Check struct {
	Part     string // "call", "source" or "sink 0" with its position; Preflight sets it
	Op       string // such as "list", "read", "create", "create again", "delete", "run"
	Bucket   string // the name of the bucket or the path of the folder; empty: not known
	Key      string // of the object, or the prefix of a listing
	Found    string // what the operation has found, for people
	NotTried bool   // Found says why
	Err      error  // nil: it succeeded, or was not tried
	Next     string // what to do about Err; empty: its text says it
	Took     time.Duration
}
