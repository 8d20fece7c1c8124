package dmap

// Sharing says how the items of a split are divided between machines: see Plan.Sharing.
type Sharing int

const (
	// SharedByReading: one machine reads the items of the split, without calls, and cuts it at some
	// of their cursors. This is right for every Plan.
	SharedByReading Sharing = iota
	// SharedAsPlanned: Splits yields pieces that are small enough.
	SharedAsPlanned
	// SharedByTrySplit: the machine that reads the split divides it by TrySplit, and leaves some of
	// the parts to others.
	SharedByTrySplit
	// NotShared: to read from the middle, all items before it must be read, so that one machine
	// reads the whole split.
	NotShared
)
