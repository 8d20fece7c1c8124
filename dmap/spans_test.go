package dmap

import (
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpansGroupGapsThatAreNearEachOther(t *testing.T) {
	part := func(key string, from, to int64) Split {
		return Split{ID: "s", From: Cursor{key, from}, To: Cursor{key, to}}
	}
	const far = nearBytes + 1
	a, b, c, d := part("", 0, 10), part("", 10+nearBytes, 20+nearBytes), part("", 20+nearBytes+far, 30+nearBytes+far), part("", 3*far, 0)
	other := part("x", 0, 10)
	for _, test := range []struct {
		name  string
		parts []Split
		want  [][]Split
	}{
		{"none", nil, nil},
		{"one", []Split{a}, [][]Split{{a}}},
		{"near", []Split{a, b}, [][]Split{{a, b}}},
		{"far", []Split{a, b, c, d}, [][]Split{{a, b}, {c, d}}},
		{"keys", []Split{a, b, other}, [][]Split{{a, b}, {other}}},
		{"from one key to another", []Split{{To: Cursor{"a", 9}}, {From: Cursor{"b", 9}}}, [][]Split{{{To: Cursor{"a", 9}}}, {{From: Cursor{"b", 9}}}}},
	} {
		require.Equal(t, test.want, spans(test.parts), test.name)
	}
	var many []Split
	for i := range int64(100_000) {
		many = append(many, part("", i*1e6, i*1e6+10))
	}
	got := spans(many)
	require.LessOrEqual(t, len(got), maxSpans, "a source that cannot seek is read this often")
	n := 0
	for _, parts := range got {
		n += len(parts)
	}
	require.Equal(t, len(many), n)
}

// Of the parts that one reading covers, only the one in which the object broke off begins after the
// content that the hash is of.
func TestOnlyTheFirstOfSeveralRestsHasAHash(t *testing.T) {
	parts := []Split{{From: Cursor{Offset: 10}, To: Cursor{Offset: 30}}, {From: Cursor{Offset: 50}, To: Cursor{Offset: 60}}, {From: Cursor{Offset: 70}}}
	broken := &BrokenObjectError{Key: "k", Offset: 20, Hash: "h", Err: errors.New("it ends")}
	for _, inItem := range []bool{true, false} {
		next, stop := iter.Pull2(func(yield func(Item[int], error) bool) {
			if !yield(Item[int]{Next: Cursor{Offset: 20}}, nil) {
				return
			}
			if inItem {
				yield(Item[int]{Next: Cursor{Offset: 100}, Err: broken}, nil)
				return
			}
			yield(Item[int]{}, broken)
		})
		shared := sharedReading[int]{next: next, at: parts[0].From}
		var hashes []string
		for _, part := range parts {
			for item, err := range shared.read(t.Context(), part) {
				if found := brokenObject(errors.Join(err, item.Err)); found != nil {
					require.Equal(t, "k", found.Key)
					require.EqualValues(t, 20, found.Offset)
					hashes = append(hashes, found.Hash)
				}
			}
		}
		require.Equal(t, []string{"h", "", ""}, hashes, inItem)
		stop()
	}
}
