package failgroup

import (
	"strings"
	"time"
	"unicode/utf8"
)

// OtherID is the ID of the group that holds the failures of all groups without a place.
const OtherID = "other"

// Bounds of a group.
const (
	MaxSamples  = 3       // of a group
	MaxSample   = 2 << 10 // bytes of a sample: ID, key and error
	maxSampleID = 1 << 10
	maxClass    = 64
)

// Group is the failures of one class and message. Its JSON form is that of the page of a run.
type Group struct {
	ID      string `json:"id"` // of class and message, the same in every run; OtherID
	Class   string `json:"class,omitempty"`
	Message string `json:"message,omitempty"` // see Message; empty: the error has no text, or other
	Count   int64  `json:"count"`
	// Over is how many more failures of the group may be counted in "other", because they came
	// while it had no place; in "other" itself at most for how many of any group without a place.
	Over    int64     `json:"over,omitempty"`
	First   time.Time `json:"first,omitzero"` // when the first failure came, by the clock of the process; zero: unknown
	Last    time.Time `json:"last,omitzero"`
	Samples []Sample  `json:"samples,omitempty"` // the first ones
	Where   []Place   `json:"where,omitempty"`   // the prefix with the most failures first; the counts add up to Count
	Trend   Trend     `json:"trend,omitzero"`
}

// Sample is one failure of a group.
type Sample struct {
	ID       string    `json:"id"`    // of the item, at most 1 KiB
	Key      string    `json:"key"`   // of its object: mostly a prefix of ID
	Error    string    `json:"error"` // clipped, so that ID, Key and Error have at most 2 KiB; a Key that is a prefix of ID takes none
	Class    string    `json:"class,omitempty"`
	Attempts int       `json:"attempts"` // calls; 0: never called
	At       time.Time `json:"at,omitzero"`
}

// stored is a time as the run folder has it. Times outside of 1970 to 2999 are unknown.
func stored(t time.Time) time.Time {
	if year := t.UTC().Year(); year < 1970 || year > 2999 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func sampleOf(f *Failure) Sample {
	s := Sample{ID: clip(f.ID, maxSampleID), Class: clip(f.Class, maxClass), Attempts: f.Attempts, At: stored(f.At)}
	room := MaxSample - len(s.ID)
	if strings.HasPrefix(f.ID, f.Key) {
		s.Key = s.ID[:min(len(f.Key), len(s.ID))]
	} else {
		s.Key = clip(f.Key, room/2)
		room -= len(s.Key)
	}
	s.Error = strings.Clone(clip(f.Text, room))
	return s
}

// clip is the first n bytes of s, without a rune that ends after them.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range utf8.UTFMax {
		if n-i > 0 && utf8.RuneStart(s[n-i]) {
			return s[:n-i]
		}
	}
	return s[:n]
}
