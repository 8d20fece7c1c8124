package listing

import (
	"bytes"
)

// cycle finds tokens that repeat, in constant memory: by comparing each with one that is replaced
// after 1, 2, 4, … others.
type cycle struct {
	kept  []byte
	since int // tokens since kept
	until int // number of tokens after which it is replaced
}

func (c *cycle) closes(token []byte) bool {
	if c.kept != nil && bytes.Equal(c.kept, token) {
		return true
	}
	if c.since++; c.since > c.until {
		c.kept, c.since, c.until = token, 0, max(1, 2*c.until)
	}
	return false
}
