package dmapotel

import (
	"strings"

	"github.com/go-dmap/dmap/dmap"
)

// sourceKind is the value of AttrSourceKind for a source with this String. The names are those that
// package source gives to its sources.
func sourceKind(name string) string {
	for {
		rest, wrapped := strings.CutPrefix(name, "filter of ")
		if !wrapped {
			rest, wrapped = strings.CutPrefix(name, "transform of ")
		}
		if !wrapped {
			return plainKind(name)
		}
		name = rest
	}
}

// plainKind is sourceKind of a source that is no filter and no transform.
func plainKind(name string) string {
	for _, known := range [...]struct{ prefix, kind string }{
		{"objects", "objects"}, {"csv", "csv"}, {"json lines", "json_lines"}, {"json array", "json_array"}, {"slice of", "slice"},
		{"sequence", "sequence"}, {"keys of", "keys"}, {"failures of", "failures"}, {"pending of", "pending"},
		{"concat of", "concat"}, {"contents of", "contents"},
	} {
		if rest, ok := strings.CutPrefix(name, known.prefix); ok && (rest == "" || rest[0] == ' ') {
			return known.kind
		}
	}
	return "other"
}

// engineOf is AttrEngine of a run.
func engineOf(e dmap.RunStart) string {
	switch e.Engine {
	case "":
		return "local"
	case "temporal":
		return e.Engine
	default: // the values of an attribute are few
		return "other"
	}
}
