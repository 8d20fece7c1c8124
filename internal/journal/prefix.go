package journal

import (
	"maps"
	"slices"

	"github.com/go-dmap/dmap/internal/fingerprint"
)

// Prefix identifies the first items of a sequence, up to the last one that is settled: a process
// that resumes must read the same items.
type Prefix struct {
	Split string `json:"split"` // ID of the split
	Items int64  `json:"items"`
	Hash  string `json:"hash"`
	Ended bool   `json:"ended,omitempty"` // the sequence has no more items
}

// Prefixes holds the longest prefix of each sequence, by split ID. The zero Prefixes is empty.
type Prefixes map[string]Prefix //nolint:recvcheck // only Extend may make the map

// Extend keeps p if it is longer than the known one.
func (s *Prefixes) Extend(p Prefix) {
	if *s == nil {
		*s = Prefixes{}
	}
	if known, ok := (*s)[p.Split]; !ok || p.Items > known.Items || p.Ended {
		(*s)[p.Split] = p
	}
}

// All returns the prefixes in the order of their splits.
func (s Prefixes) All() []Prefix {
	var out []Prefix
	for _, id := range slices.Sorted(maps.Keys(s)) {
		out = append(out, s[id])
	}
	return out
}

// Clone returns a copy.
func (s Prefixes) Clone() Prefixes { return maps.Clone(s) }

// Marks returns the prefixes as a reading compares them.
func (s Prefixes) Marks() map[string]fingerprint.Mark {
	marks := make(map[string]fingerprint.Mark, len(s))
	for id, p := range s {
		marks[id] = fingerprint.Mark{N: p.Items, Hash: p.Hash, Ended: p.Ended}
	}
	return marks
}
