package dmapweb

import (
	"encoding/json"

	"github.com/go-dmap/dmap/internal/failgroup"
	"github.com/go-dmap/dmap/internal/watch"
)

// maxStreamed bounds a message of a stream, in bytes.
const maxStreamed = 64 << 10

// tailPoints is how many of the latest points of the series a message has: a reader that has missed
// some messages needs them.
const tailPoints = 8

// streamed is a message: the state of a run without samples and old marks, and the end of its
// series.
type streamed struct {
	describe
	Series watch.Series `json:"series"` // Points are the latest ones
	First  int          `json:"first"`  // index of the first of them
}

// message is the state of a run as an event of a stream.
func message(run *watch.Collector) ([]byte, error) {
	m := streamed{describe: describeRun(run.Snapshot())}
	m.Series = run.Series(0)
	if m.First = len(m.Series.Points) - tailPoints; m.First > 0 {
		m.Series.Points = m.Series.Points[m.First:]
	}
	m.First = max(0, m.First)
	return encodeMessage(m)
}

// size is how much of the state a message has.
type size struct{ groups, places, calls, marks, text int }

// sizes are tried in turn until a message is small enough. Texts and keys may be full of characters
// that JSON escapes with six bytes.
func sizes() []size {
	return []size{{12, 3, 10, 20, 4096}, {12, 0, 10, 10, 1024}, {8, 0, 5, 5, 512}, {3, 0, 1, 1, 128}, {}}
}

// encodeMessage is the JSON form of a message, of at most maxStreamed bytes.
func encodeMessage(m streamed) ([]byte, error) {
	var content []byte
	for _, s := range sizes() {
		one := m
		s.shrink(&one.Run)
		var err error
		if content, err = json.Marshal(one); err != nil || len(content) <= maxStreamed {
			return content, err
		}
	}
	return nil, errLarge
}

// shrink copies the parts that it changes.
func (s size) shrink(r *watch.Snapshot) {
	r.Failures = r.Failures.Short(s.groups)
	for i := range r.Failures.Groups {
		g := &r.Failures.Groups[i]
		g.Where = failgroup.Gather(g.Where, s.places)
		g.Message = clip(g.Message, s.text)
	}
	r.Calls = append([]watch.Call{}, r.Calls[:min(len(r.Calls), s.calls)]...)
	for i := range r.Calls {
		c := &r.Calls[i]
		c.ID, c.Key, c.Split, c.Last = clip(c.ID, s.text), clip(c.Key, s.text), clip(c.Split, s.text), clip(c.Last, s.text)
	}
	if n := min(len(r.Workers), 5*s.calls); n < len(r.Workers) {
		r.Others += len(r.Workers) - n
		r.Workers = r.Workers[:n]
	}
	if n := len(r.Marks) - s.marks; n > 0 {
		r.Omitted += int64(n)
		r.Marks = r.Marks[n:]
	}
	r.Source, r.Verdict.Cause, r.Version = clip(r.Source, s.text), clip(r.Verdict.Cause, s.text), clip(r.Version, s.text)
}

// clip is the first n bytes of a text, and a mark where it is longer.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && n < len(text) && text[n]&0xC0 == 0x80 { // inside a rune
		n--
	}
	return text[:n] + "…"
}
