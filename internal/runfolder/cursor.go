package runfolder

// Cursor is a position in a split: a key of a listing, a byte offset in an object. The zero Cursor
// is the start of a split as a start, and its end as an end.
type Cursor struct { //nolint:recvcheck // fields returns pointers into it
	Key       string `json:"key,omitempty"`
	KeyBase64 string `json:"keyBase64,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
}

func (c *Cursor) fields() []twin { return []twin{{&c.Key, &c.KeyBase64}} }

// Split is a piece of the source, from one cursor to another.
type Split struct {
	ID            string `json:"id"`
	IDBase64      string `json:"idBase64,omitempty"`
	Object        string `json:"object,omitempty"`
	ObjectBase64  string `json:"objectBase64,omitempty"`
	Version       string `json:"version,omitempty"`
	VersionBase64 string `json:"versionBase64,omitempty"`
	From          Cursor `json:"from,omitzero"`
	To            Cursor `json:"to,omitzero"`
	Before        string `json:"before,omitempty"`
}

func (s *Split) fields() []twin {
	own := []twin{{&s.ID, &s.IDBase64}, {&s.Object, &s.ObjectBase64}, {&s.Version, &s.VersionBase64}}
	return append(append(own, s.From.fields()...), s.To.fields()...)
}

// Interval is a part of a split whose items are settled: those after From up to and including the
// one whose next cursor is To.
type Interval struct {
	Split         string `json:"split"`
	SplitBase64   string `json:"splitBase64,omitempty"`
	Version       string `json:"version,omitempty"`
	VersionBase64 string `json:"versionBase64,omitempty"`
	From          Cursor `json:"from,omitzero"`
	To            Cursor `json:"to,omitzero"`
}

func (v *Interval) fields() []twin {
	own := []twin{{&v.Split, &v.SplitBase64}, {&v.Version, &v.VersionBase64}}
	return append(append(own, v.From.fields()...), v.To.fields()...)
}
