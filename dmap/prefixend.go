package dmap

import "github.com/go-dmap/dmap/internal/fingerprint"

// prefixEnd is a position in a sequence and the hash of the items before it. The zero prefixEnd is
// none.
type prefixEnd struct {
	known bool
	items int64
	sum   fingerprint.Hash
}

// endOf returns where p stands.
func endOf(p *fingerprint.Prefix) prefixEnd {
	if p == nil || !p.Used() {
		return prefixEnd{}
	}
	return prefixEnd{true, p.Items(), p.Sum()}
}
