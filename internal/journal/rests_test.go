package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// mendedObject is an object of bytes that breaks off, is mended or changes, while parts of it are
// settled. An object with a key is one of many in a split.
type mendedObject struct {
	key      string
	version  int
	content  []byte
	complete bool
	earlier  []upload // also the present one
	settled  IntervalSet
	rests    Rests
	bytes    map[int]byte // that were settled, by offset
	ended    []byte       // the content, of which all was settled; nil: not yet
}

// upload is a version of an object.
type upload struct {
	content  []byte
	complete bool
}

func (o *mendedObject) whole() Interval {
	v := Interval{Split: "s", Version: fmt.Sprint(o.version)}
	if o.key != "" {
		v.From, v.To = Cursor{Key: "a", Offset: Between}, Cursor{Key: o.key, Offset: Between}
	}
	return v
}

func (o *mendedObject) at(offset int) Cursor { return Cursor{Key: o.key, Offset: int64(offset)} }

// accepts reports whether a redrive reads the object on.
func (o *mendedObject) accepts() bool {
	j := o.settled.Judge(o.whole(), o.key, o.rests)
	switch {
	case j.Was == "" || j.Known:
		return true
	case j.Rest == nil:
		return false
	}
	at := int(j.Rest.From.Offset)
	return at <= len(o.content) && j.Rest.Before == string(o.content[:at])
}

// read settles a part of each gap, up to where the object breaks off, and notes the rest.
func (o *mendedObject) read(dice *rand.Rand) {
	for _, gap := range o.settled.Gaps(o.whole()) {
		from, end := 0, len(o.content)
		if gap.From != o.whole().From {
			from = int(gap.From.Offset)
		}
		toEnd := gap.To == o.whole().To
		if !toEnd {
			end = int(gap.To.Offset)
		}
		if from >= end && !toEnd || from > end {
			continue
		}
		to := from + dice.IntN(end-from+1)
		if dice.IntN(2) == 0 {
			to = end
		}
		settled := gap
		for i := from; i < to; i++ {
			o.bytes[i] = o.content[i]
		}
		switch {
		case to == end && toEnd && o.complete:
			o.ended = slices.Clone(o.content)
		case to == from:
			continue
		case to < end || toEnd:
			settled.To = o.at(to)
		}
		o.settled.Add(settled)
		if to == end && toEnd && !o.complete && to > 0 {
			o.rests = NewRests(append([]Rest{{Split: "s", Object: "o", From: o.at(to), Before: string(o.content)}}, o.rests...))
		}
	}
}

// upload replaces the object by one that has the same bytes up to some place, or restores one.
func (o *mendedObject) upload(dice *rand.Rand) {
	if len(o.earlier) > 0 && dice.IntN(4) == 0 {
		o.version = dice.IntN(len(o.earlier))
		o.content, o.complete = o.earlier[o.version].content, o.earlier[o.version].complete
		return
	}
	same := len(o.content)
	if dice.IntN(3) == 0 {
		same = dice.IntN(same + 1)
	}
	o.content = slices.Clone(o.content[:same])
	for range dice.IntN(20) {
		o.content = append(o.content, byte('a'+dice.IntN(3)))
	}
	o.version, o.complete = len(o.earlier), dice.IntN(3) == 0
	o.earlier = append(o.earlier, upload{o.content, o.complete})
}

// Whatever breaks off, is mended or changes: an object is read on only if all that was settled of
// it is still the same.
func TestAnObjectIsReadOnOnlyIfItsSettledPartIsTheSame(t *testing.T) {
	accepted, refused := 0, 0
	for seed := range uint64(1000) {
		dice := rand.New(rand.NewPCG(seed, 3))
		o := &mendedObject{key: []string{"", "b"}[seed%2], settled: IntervalSet{}, bytes: map[int]byte{}}
		if o.key != "" {
			for _, v := range []Interval{
				{Split: "s", Version: "a", From: Cursor{Key: "a", Offset: 2}, To: Cursor{Key: "a", Offset: Between}},
				{Split: "s", Version: "c", From: Cursor{Key: "b", Offset: Between}, To: Cursor{Key: "c", Offset: 5}},
			} {
				o.settled.Add(v)
			}
		}
		for range 8 {
			o.upload(dice)
			if o.settled.Has(o.whole()) {
				break // it may change: nothing of it is read any more
			}
			if !o.accepts() {
				refused++
				continue
			}
			if o.settled.Judge(o.whole(), o.key, nil).Was != "" {
				accepted++
			}
			for i, b := range o.bytes {
				if i >= len(o.content) || o.content[i] != b {
					require.Fail(t, "a mixture", "seed %d, offset %d", seed, i)
				}
			}
			if o.ended != nil {
				require.Equal(t, o.ended, o.content, "seed %d", seed)
			}
			for range dice.IntN(3) {
				if o.read(dice); o.settled.Has(o.whole()) {
					break
				}
				require.True(t, o.accepts(), "seed %d: the same object is read on", seed)
			}
		}
	}
	require.Greater(t, accepted, 300)
	require.Greater(t, refused, 300)
}

func TestTheNewestOfEqualRestsCounts(t *testing.T) {
	at := func(split, key string, offset int64, before string) Rest {
		return Rest{Split: split, From: Cursor{key, offset}, Before: before}
	}
	rests := NewRests([]Rest{at("s", "b", 5, "new"), at("s", "", 9, "z"), at("s", "b", 2, "y"), at("r", "b", 7, "x"), at("s", "b", 5, "old")})
	require.Len(t, rests, 4)
	settled := NewIntervalSet([]Interval{{Split: "s", Version: "1", To: Cursor{Offset: 5}}})
	require.Equal(t, Judgement{}, settled.Judge(Interval{Split: "s"}, "", rests), "a version that is not known")
	require.Equal(t, Judgement{}, settled.Judge(Interval{Split: "s", Version: "1"}, "", rests))
	require.Equal(t, Judgement{Was: "1", Rest: &rests[1]}, settled.Judge(Interval{Split: "s", Version: "2"}, "", rests))
	for next, want := range map[Cursor]string{{"b", 0}: "y", {"b", 2}: "y", {"b", 3}: "new", {"b", 5}: "new", {"b", 6}: "", {"", 1}: "z", {"a", 0}: "", {"c", 0}: ""} {
		rest, ok := rests.First("s", next)
		require.Equal(t, want, rest.Before, next)
		require.Equal(t, want != "", ok)
	}
}

// A mended object has parts of two versions. What follows it is settled from the start, too.
func TestTheSettledPrefixReachesOverVersions(t *testing.T) {
	at := func(key string, offset int64) Cursor { return Cursor{key, offset} }
	s := NewIntervalSet([]Interval{
		{Split: "s", Version: "1", To: at("a", 5)}, {Split: "s", Version: "2", From: at("a", 5), To: at("a", Between)},
		{Split: "s", From: at("a", Between), To: at("c", Between)}, {Split: "s", Version: "3", From: at("d", 7), To: at("d", 8)},
		{Split: "whole", Version: "1", To: at("", 5)}, {Split: "whole", Version: "2", From: at("", 5)},
		{Split: "late", From: at("", 5), To: at("", 6)},
	})
	for split, want := range map[string]struct {
		end Cursor
		ok  bool
	}{"s": {at("c", Between), true}, "whole": {Cursor{}, true}, "late": {Cursor{}, false}, "none": {Cursor{}, false}} {
		end, ok := s.Prefix(split)
		require.Equal(t, want.end, end, split)
		require.Equal(t, want.ok, ok, split)
	}
}
