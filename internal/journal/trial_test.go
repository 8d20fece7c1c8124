package journal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrialsCountTheCrashesOfTheirItem(t *testing.T) {
	item := func(n int64) Trial {
		return Trial{Item: Interval{Split: "s", From: Cursor{Offset: n}, To: Cursor{Offset: n + 1}}, ID: "x", Live: true}
	}
	var p Progress
	p.Apply(Commit{Number: 0, Begins: true}, Commit{Number: 1, Trying: []Trial{item(1), item(2), item(3)}},
		Commit{Number: 2, Settled: []Interval{item(2).Item}})
	require.Len(t, p.Trials, 3)
	p.Apply(Commit{Number: 3, Begins: true})
	require.Len(t, p.Trials, 2, "a settled item is no suspect")
	require.Equal(t, 1, p.Trials[0].Crashes)
	p.Apply(Commit{Number: 4, Trying: []Trial{item(1)}}, Commit{Number: 5, Begins: true})
	require.Equal(t, []int{2, 1}, []int{p.Trials[0].Crashes, p.Trials[1].Crashes}, "only the item that was in flight again")
	p.Apply(Commit{Number: 6, Trying: []Trial{item(3)}, Clean: true})
	p.Apply(Commit{Number: 7, Begins: true})
	require.Equal(t, 2, p.Trials[0].Crashes)
}
