package runfolder

import (
	"encoding/json"
	"fmt"
)

// CommitHeader is the first line of a commit record. The second line is the CommitRecord.
type CommitHeader struct {
	Format int    `json:"format"`
	Writer string `json:"writer"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
	Era    *int64 `json:"era,omitempty"`
	Shared bool   `json:"shared,omitempty"`
}

// agrees reports whether the header names the era of its record.
func (h CommitHeader) agrees(era *int64, shared bool) bool {
	if (era == nil) != (h.Era == nil) || shared != h.Shared {
		return false
	}
	return era == nil || *era == *h.Era
}

// maxHeader is more than the first line of a record takes.
const maxHeader = 1 << 10

// decodeHeader reads and checks the first line of a commit record.
func decodeHeader(first []byte) (header CommitHeader, err error) {
	if len(first) > maxHeader {
		return header, fmt.Errorf("first line has %d bytes, at most %d are expected", len(first), maxHeader)
	}
	if err := json.Unmarshal(first, &header); err != nil {
		return header, fmt.Errorf("first line: %w", err)
	}
	if header.Format == FormatShared {
		return header, nil
	}
	return header, checkFormat(header.Format)
}
