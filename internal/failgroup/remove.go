package failgroup

import (
	"slices"
	"strings"
	"time"
)

// Remove takes out a failure that was added: it runs again. The counts stay exact as those of Add
// and Merge are. First and Last stay as they were, and are bounds then. Other failures of the group
// may become samples by AddSample.
func (x *Index) Remove(f Failure) {
	x.scratch = appendKey(x.scratch[:0], &f)
	e := x.groups[string(x.scratch)]
	if e == nil {
		if x.other == nil {
			return
		}
		if x.other.remove(&f); x.other.Count == 0 {
			x.noOthers()
		}
		return
	}
	if e.remove(&f); e.Count == 0 {
		delete(x.groups, e.key)
		x.list = slices.DeleteFunc(x.list, func(o *entry) bool { return o == e })
	}
}

// noOthers removes other, which has no failures left: all counts are exact again.
func (x *Index) noOthers() {
	x.other, x.floor = nil, 0
	for _, e := range x.list {
		e.Over = 0
	}
}

// Bare reports whether the group of f has failures and no sample.
func (x *Index) Bare(f Failure) bool {
	x.scratch = appendKey(x.scratch[:0], &f)
	e := x.groups[string(x.scratch)]
	return e != nil && len(e.Samples) == 0
}

// AddSample makes f, which was added before, a sample of its group if that has fewer than three.
func (x *Index) AddSample(f Failure) {
	x.scratch = appendKey(x.scratch[:0], &f)
	e := x.groups[string(x.scratch)]
	if e == nil || len(e.Samples) >= MaxSamples {
		return
	}
	s := sampleOf(&f)
	if !slices.ContainsFunc(e.Samples, func(o Sample) bool { return o.ID == s.ID }) {
		e.Samples = append(e.Samples, s)
	}
}

func (e *entry) remove(f *Failure) {
	e.Count--
	id := clip(f.ID, maxSampleID)
	e.Samples = slices.DeleteFunc(e.Samples, func(s Sample) bool { return s.ID == id })
	e.where.remove(f.Key)
	e.Trend.remove(stored(f.At))
}

// remove takes a failure out of the longest prefix of its key that has any, or of the largest one.
func (p *places) remove(key string) {
	key = shortened(key)
	from := -1
	for i := range p.list {
		l := &p.list[i]
		under := l.Prefix == key || l.Prefix == "" || strings.HasSuffix(l.Prefix, "/") && strings.HasPrefix(key, l.Prefix)
		if under && (from < 0 || len(l.Prefix) > len(p.list[from].Prefix)) {
			from = i
		}
	}
	if from < 0 && len(p.list) > 0 { // it was counted under another group
		from = 0
		for i := range p.list {
			if p.list[i].Count > p.list[from].Count {
				from = i
			}
		}
	}
	if from < 0 {
		return
	}
	if p.list[from].Count--; p.list[from].Count == 0 {
		p.list = slices.Delete(p.list, from, from+1)
	}
}

// remove takes a failure out of its interval, or out of the largest one.
func (t *Trend) remove(at time.Time) {
	if at.IsZero() || t.Width == 0 {
		return
	}
	i := floorDiv(at.Unix(), t.Width) - floorDiv(t.Start, t.Width)
	if i < 0 || i >= int64(len(t.Counts)) || t.Counts[i] == 0 {
		i = 0
		for j, n := range t.Counts {
			if n > t.Counts[i] {
				i = int64(j)
			}
		}
	}
	if t.Counts[i] > 0 {
		t.Counts[i]--
	}
}
