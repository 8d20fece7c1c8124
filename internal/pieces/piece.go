package pieces

import "github.com/go-dmap/dmap/dmap"

// Piece is a part of a source that one machine reads at a time.
type Piece struct {
	Split dmap.Split `json:"split"`
	// Items is the number of items, without skipped ones. 0: it is not known, because nobody has
	// read the piece.
	Items int64 `json:"items,omitempty"`
}

// Limits bound a piece that is cut by reading.
type Limits struct {
	Items int64 // items of a piece, skipped ones included
	Bytes int64 // of records; whole objects do not count
	// Whole is the number of items up to which a split is not cut, if its first ones say that it
	// has no more: then nobody reads it twice. 0: every split is cut.
	Whole int64
	// Few is the number of objects that are cut although the source takes them for small enough:
	// calls may be slow, and the objects few. Objects that an earlier part of the plan has begun
	// count again.
	Few int
	// Most ends the plan after exactly this number of items that are not skipped. Then the whole
	// source is cut by reading, in order. 0: no limit.
	Most int64
}

// Usual are the limits of a piece if nothing else is known.
func Usual() Limits { return Limits{Items: 10_000, Bytes: 1 << 20} }
