package journal

import "context"

// Mended finds out which objects that had broken off were mended: their version is another one, but
// the items that were settled are those before the break, and the content there is still the same.
// A nil Mended knows of none. It is safe for concurrent use.
type Mended struct {
	rests Rests
	ask   func(ctx context.Context, rest Rest, version string) (now string, err error)
	// asking holds a token while a question is answered, which may read a whole object: it guards
	// answers. It is no Mutex: a goroutine that waits for one stops the clock of testing/synctest.
	asking  chan struct{}
	answers map[question]string // versions; empty: the object has changed
}

// question is about the rest that begins at from, and the version that its object must have.
type question struct {
	split   string
	from    Cursor
	version string // empty: any
}

// NewMended returns a Mended that asks each question once, one at a time. ask returns the version
// of the object of a rest now, empty if the content before the rest is not the same, or if the
// object does not have this version; an empty version is any.
func NewMended(rests Rests, ask func(ctx context.Context, rest Rest, version string) (now string, err error)) *Mended {
	return &Mended{rests: rests, ask: ask, asking: make(chan struct{}, 1), answers: map[question]string{}}
}

// Rests are the rests that it knows.
func (m *Mended) Rests() Rests {
	if m == nil {
		return nil
	}
	return m.rests
}

// Has reports whether the object with a judgement j has been mended at this version.
func (m *Mended) Has(ctx context.Context, j Judgement, version string) (bool, error) {
	if m == nil || j.Rest == nil {
		return false, nil
	}
	if j.Known {
		return true, nil
	}
	now, err := m.version(ctx, *j.Rest, version)
	return err == nil && now == version, err
}

// MendedItems are the items of an object that were read at a version, up to a rest, and can be read
// at another one.
type MendedItems struct {
	Version string // the other one; empty: there is none
	rest    Rest
	was     string
}

// Has reports whether t is one of the items.
func (n *MendedItems) Has(t *TakenItem) bool {
	at := n.rest.From
	return n.Version != "" && t.Split == n.rest.Split && t.Version == n.was && t.Next.Key == at.Key && t.Next.Compare(at) <= 0
}

// ItemsOf returns the items, t among them, of an object that has another version than when t was
// read. They have no Version if the object was not mended.
func (m *Mended) ItemsOf(ctx context.Context, t *TakenItem) (n MendedItems, err error) {
	if m == nil {
		return n, nil
	}
	rest, ok := m.rests.First(t.Split, t.Next)
	if !ok {
		return n, nil
	}
	n.rest, n.was = rest, t.Version
	n.Version, err = m.version(ctx, rest, "")
	return n, err
}

func (m *Mended) version(ctx context.Context, rest Rest, must string) (string, error) {
	select {
	case m.asking <- struct{}{}:
		defer func() { <-m.asking }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	q := question{rest.Split, rest.From, must}
	now, ok := m.answers[q]
	if ok {
		return now, nil
	}
	now, err := m.ask(ctx, rest, must)
	if err == nil {
		m.answers[q] = now
	}
	return now, err
}
