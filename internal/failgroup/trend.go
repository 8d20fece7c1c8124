package failgroup

import "time"

// maxPoints is how many counts a Trend has at most.
const maxPoints = 60

// Trend counts failures over time, in at most 60 consecutive intervals of the same width. The width
// is 1 s, doubled until the intervals reach from the first to the last failure. Intervals begin at
// multiples of the width since 1970, so the Trend of two windows together is exact.
type Trend struct {
	Start  int64   `json:"start,omitempty"`  // when the first interval begins, s since 1970
	Width  int64   `json:"width,omitempty"`  // of an interval, s; 0: the Trend is empty
	Counts []int64 `json:"counts,omitempty"` // of each interval
}

// StartTime is when the first interval begins.
func (t *Trend) StartTime() time.Time { return time.Unix(t.Start, 0).UTC() }

func (t *Trend) add(at time.Time, n int64) {
	if at.IsZero() {
		return
	}
	t.addAt(at.Unix(), n)
}

// addAt counts n failures at a second.
func (t *Trend) addAt(second, n int64) {
	if t.Width == 0 {
		*t = Trend{Start: second, Width: 1, Counts: append(t.Counts[:0], n)}
		return
	}
	for {
		i := floorDiv(second, t.Width) - floorDiv(t.Start, t.Width)
		if last := int64(len(t.Counts)) - 1; max(i, last)-min(i, 0) < maxPoints {
			t.reach(i)
			t.Counts[max(i, 0)] += n
			return
		}
		t.double()
	}
}

// reach adds the intervals up to i, which may be before the first one.
func (t *Trend) reach(i int64) {
	if i < 0 {
		t.Counts = append(make([]int64, -i, maxPoints), t.Counts...)
		t.Start += i * t.Width
	}
	for int64(len(t.Counts)) <= i {
		t.Counts = append(t.Counts, 0)
	}
}

// double doubles the width.
func (t *Trend) double() {
	first := floorDiv(t.Start, t.Width)
	half := floorDiv(first, 2)
	counts := t.Counts
	n := floorDiv(first+int64(len(counts))-1, 2) - half + 1
	for i, c := range counts {
		to := floorDiv(first+int64(i), 2) - half
		counts[i] = 0
		counts[to] += c // to is at most i
	}
	t.Counts = counts[:n]
	t.Start, t.Width = half*2*t.Width, 2*t.Width
}

// merge adds the counts of o.
func (t *Trend) merge(o *Trend) {
	for o.Width > t.Width && t.Width > 0 {
		t.double()
	}
	if t.Width == 0 {
		*t = Trend{Start: o.Start, Width: o.Width, Counts: append([]int64(nil), o.Counts...)}
		return
	}
	for i, n := range o.Counts {
		if n != 0 {
			t.addAt(o.Start+int64(i)*o.Width, n)
		}
	}
}

// Check reports whether t is one that an Index can have made.
func (t *Trend) Check() bool {
	if t.Width == 0 {
		return len(t.Counts) == 0 && t.Start == 0
	}
	const farthest = 1 << 35 // s: beyond the year 2999
	if t.Width < 0 || t.Width&(t.Width-1) != 0 || t.Width > farthest || t.Start < 0 || t.Start > farthest ||
		t.Start%t.Width != 0 || len(t.Counts) == 0 || len(t.Counts) > maxPoints {
		return false
	}
	for _, n := range t.Counts {
		if n < 0 {
			return false
		}
	}
	return true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
