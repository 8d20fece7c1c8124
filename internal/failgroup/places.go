package failgroup

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of the table of key prefixes.
const (
	MaxPlaces = 16  // of a group
	maxPrefix = 256 // bytes
)

// Place is a key, or the prefix of keys up to a "/" or an empty one, with the number of failures of
// a group under it that have no longer prefix in the table. A table holds at most 16 prefixes of at
// most 256 bytes. Where a new key finds no place, the prefix with the fewest failures that has no
// longer one in the table is replaced by its parent, which gets them: the sum remains exact, and
// prefixes with many failures stay.
type Place struct {
	Prefix string `json:"prefix"`
	Count  int64  `json:"count"`
}

// places is the table of a group, in any order.
type places struct{ list []Place }

func (p *places) add(key string) {
	key = shortened(key)
	for i := range p.list {
		if p.list[i].Prefix == key {
			p.list[i].Count++
			return
		}
	}
	p.list = append(p.list, Place{key, 1})
	for len(p.list) > MaxPlaces {
		p.fold(key)
	}
}

// shortened is the key, or its longest prefix of at most maxPrefix bytes that ends in "/".
func shortened(key string) string {
	if len(key) <= maxPrefix {
		return key
	}
	return key[:strings.LastIndexByte(key[:maxPrefix], '/')+1]
}

// fold replaces the prefix with the fewest failures by its parent, but not the one named keep, and
// not the empty one, which has none. Prefixes with longer ones are the last to go.
func (p *places) fold(keep string) {
	var inner [MaxPlaces * 3]bool // prefixes with longer ones, as far as is known
	smallest := -1
	for {
		next := -1
		for i := range p.list {
			if l := &p.list[i]; l.Prefix != "" && l.Prefix != keep && !inner[i] && (next < 0 || l.foldsBefore(&p.list[next])) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		if smallest < 0 {
			smallest = next
		}
		if inner[next] = p.hasLonger(next); !inner[next] {
			smallest = next
			break
		}
	}
	folded := p.list[smallest]
	p.list = slices.Delete(p.list, smallest, smallest+1)
	p.put(Place{parent(folded.Prefix), folded.Count})
}

// hasLonger reports whether the table has a prefix that starts with prefix i.
func (p *places) hasLonger(i int) bool {
	prefix := p.list[i].Prefix
	return strings.HasSuffix(prefix, "/") && slices.ContainsFunc(p.list, func(l Place) bool {
		return len(l.Prefix) > len(prefix) && strings.HasPrefix(l.Prefix, prefix)
	})
}

// foldsBefore orders prefixes for fold: few failures, then long ones.
func (l *Place) foldsBefore(o *Place) bool {
	if l.Count != o.Count {
		return l.Count < o.Count
	}
	if len(l.Prefix) != len(o.Prefix) {
		return len(l.Prefix) > len(o.Prefix)
	}
	return l.Prefix > o.Prefix
}

func (p *places) put(l Place) {
	for i := range p.list {
		if p.list[i].Prefix == l.Prefix {
			p.list[i].Count += l.Count
			return
		}
	}
	p.list = append(p.list, l)
}

// parent is the prefix one "/" shorter.
func parent(prefix string) string {
	return prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
}

func (p *places) merge(o *places) {
	for _, l := range o.list {
		p.put(l)
	}
	for len(p.list) > MaxPlaces {
		p.fold("")
	}
}

// sorted returns the prefixes, the one with the most failures first.
func (p *places) sorted() []Place {
	out := slices.Clone(p.list)
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Prefix, b.Prefix))
	})
	return out
}

// placesOf makes a table of prefixes that may come from elsewhere.
func placesOf(list []Place) (p places) {
	for _, l := range list {
		p.put(Place{shortened(l.Prefix), l.Count})
		for len(p.list) > MaxPlaces {
			p.fold("")
		}
	}
	return p
}
