package journal

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNewestEditsAreKept(t *testing.T) {
	var all Edits
	for i := range 10 * MaxEdits {
		all.Add(Edits{1, []Edit{{To: strconv.Itoa(i)}}})
	}
	require.EqualValues(t, 10*MaxEdits, all.Count)
	require.Len(t, all.Newest, MaxEdits)
	require.Equal(t, "900", all.Newest[0].To)
	require.Equal(t, "999", all.Newest[MaxEdits-1].To)
	require.Less(t, cap(all.Newest), 4*MaxEdits)
	some := Edits{500, []Edit{{To: "a"}, {To: "b"}}}
	all.Add(some)
	require.EqualValues(t, 10*MaxEdits+500, all.Count)
	require.Equal(t, []Edit{{To: "999"}, {To: "a"}, {To: "b"}}, all.Newest[MaxEdits-3:])
}

func TestAnEditDoesNotAllocate(t *testing.T) {
	var all Edits
	one := Edits{1, []Edit{{Setting: "Paused", From: "false", To: "true"}}}
	for range 2 * MaxEdits {
		all.Add(one)
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() { all.Add(one) }))
}
