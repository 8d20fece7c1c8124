package dmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/journal"
)

func TestAHeaderIsBoundedAndOfItsReading(t *testing.T) {
	SetHeader(t.Context(), "no reading") // has no effect
	ctx, p := withPlacing(t.Context())
	SetHeader(ctx, strings.Repeat("h", 100))
	require.Equal(t, strings.Repeat("h", maxHeader), p.header)
	_, same := withPlacing(ctx)
	require.Same(t, p, same, "the parts of one reading share it")
}

func TestTheLatestChangedObjectsAreKnown(t *testing.T) {
	require.False(t, (*changedObjects)(nil).has("s", "v"))
	var c changedObjects
	for i := range 3 * maxChanged {
		c.add("s", fmt.Sprint(i))
		c.add("s", fmt.Sprint(i))
	}
	require.Len(t, c.known, maxChanged)
	require.True(t, c.has("s", fmt.Sprint(3*maxChanged-1)))
	require.True(t, c.has("s", fmt.Sprint(2*maxChanged)))
	require.False(t, c.has("s", fmt.Sprint(2*maxChanged-1)))
	require.False(t, c.has("other", fmt.Sprint(3*maxChanged-1)))
}

// lineObject is an object whose records are its lines, at a version. It counts readings.
type lineObject struct {
	lines    []string
	readings int
	layouts  int
}

func (o *lineObject) plan() Plan[string] {
	return Plan[string]{
		Layout: func(_ context.Context, s Split) (Layout, error) {
			o.layouts++
			if s.Version == "unreadable" {
				return Layout{}, errors.New("the store does not answer")
			}
			return Layout{Version: "now", Header: "h"}, nil
		},
		Read: func(_ context.Context, s Split) iter.Seq2[Item[string], error] {
			o.readings++
			return func(yield func(Item[string], error) bool) {
				at := int64(0)
				for _, line := range o.lines {
					item := Item[string]{Key: "k", Offset: at, Value: line, Next: Cursor{Offset: at + int64(len(line)) + 1}}
					if at = item.Next.Offset; item.Next.compare(s.From) > 0 && line != "" && !yield(item, nil) {
						return
					}
				}
			}
		},
	}
}

// takenAt is the item at an offset, number index after an anchor, of an earlier version.
func takenAt(offset, anchor, index int64) *journal.TakenItem {
	return &journal.TakenItem{
		Split: "s", Version: "before", Key: "k", Offset: offset, Index: index, Header: "h", From: &journal.Cursor{Offset: anchor},
	}
}

// Rows whose readings began at different places are found in few readings, also if one began at a
// blank line. No record begins inside another one.
func TestRowsOfManyAnchorsAreFoundInFewReadings(t *testing.T) {
	o := &lineObject{lines: []string{"aaa", "bbb", "", "", "ccc", "ddd", "eee", "fff"}} // at 0, 4, 10, 14, 18, 22
	p := o.plan()
	c := changedRows[string]{plan: &p}
	defer func() { c.in.close() }()
	for _, s := range []struct {
		offset, anchor, index int64
		want                  string // a value, or an error
	}{
		{0, 0, 0, "aaa"},
		{10, 8, 0, "ccc"}, // after "bbb"
		{14, 9, 1, "ddd"}, // in a blank line
		{18, 0, 4, "eee"},
		{18, 0, 4, "eee"}, // asked about again
		{22, 10, 2, "the record at byte 22 is number 4 now, it was number 3"},
		{22, 11, 3, "no record begins now where the reading of the row began"},
		{22, 10, 3, "fff"},
		{26, 0, 6, "it ends before byte 26"},
		{30, 28, 0, "it ends before byte 30"},
	} {
		item, at, err := c.find(t.Context(), takenAt(s.offset, s.anchor, s.index))
		if err != nil {
			require.ErrorContains(t, err, s.want)
			require.Equal(t, "changed", Class(err))
			continue
		}
		require.Equal(t, s.want, item.Value)
		require.Equal(t, "now", at.version)
		require.Equal(t, item.Next, at.next)
		require.LessOrEqual(t, at.start.Offset, s.offset)
	}
	require.LessOrEqual(t, o.readings, 6, "one for each place that was not asked about when it was passed")
	unreadable := takenAt(0, 0, 0)
	unreadable.Version = "unreadable"
	_, _, err := c.find(t.Context(), unreadable)
	require.ErrorContains(t, err, "does not answer")
	layouts := o.layouts
	_, _, err = c.find(t.Context(), unreadable)
	require.Error(t, err)
	require.Equal(t, layouts+1, o.layouts, "an error of the store is not remembered")
}

// What is known about anchors and layouts is bounded.
func TestManyAnchorsNeedLittleMemory(t *testing.T) {
	o := &lineObject{}
	for i := range 1000 {
		o.lines = append(o.lines, fmt.Sprintf("%03d", i))
	}
	p := o.plan()
	c := changedRows[string]{plan: &p}
	defer func() { c.in.close() }()
	for i := int64(0); i < 1000; i += 2 {
		item, _, err := c.find(t.Context(), takenAt(4*i, 4*i, 0))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%03d", i), item.Value)
		require.LessOrEqual(t, len(c.counts), maxAnchors)
		for _, of := range c.layouts {
			require.LessOrEqual(t, len(of.answers), maxAnchors)
		}
	}
	_, _, err := c.find(t.Context(), takenAt(4*999, 0, 999))
	require.NoError(t, err, "the first anchor is kept")
}
