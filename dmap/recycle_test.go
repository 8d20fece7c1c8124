package dmap

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A chunk that is used again has nothing of its earlier items, whatever fields it gets.
func TestAChunkThatIsUsedAgainIsLikeANewOne(t *testing.T) {
	var recycler recycler[int, int]
	c := &chunk[int, int]{
		split: &Split{ID: "s"}, run: new(calls), items: []Item[int]{{Key: "k", Value: 1}}, entries: []entry[int]{{value: 1}},
		bytes: 1, skips: 1, calls: 1, retries: 1, used: 1, interrupted: 1, holds: true, placed: true, header: "h", level: 1, origins: make([]origin, 1),
		from: Cursor{Offset: 1}, to: Cursor{Offset: 2}, end: prefixEnd{items: 1}, keeps: true, before: []int64{1},
		prev: new(chunk[int, int]), next: new(chunk[int, int]),
	}
	fields := reflect.ValueOf(c).Elem()
	set := 0
	for i := range fields.NumField() {
		if !fields.Field(i).IsZero() {
			set++
		}
	}
	require.Equal(t, fields.NumField()-1, set, "a new field of a chunk: set it above; starts keeps a chunk from being used again")
	recycler.done(c)
	got := reflect.ValueOf(c).Elem()
	for i := range got.NumField() {
		name, field := got.Type().Field(i).Name, got.Field(i)
		if field.Kind() == reflect.Slice && field.Len() == 0 {
			continue // its memory is used again
		}
		require.True(t, field.IsZero(), name)
	}
}
