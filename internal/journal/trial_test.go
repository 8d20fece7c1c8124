package journal

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// span is an announcement of the items from..to-1 of one split.
func span(from, to int64) Trial {
	return Trial{Item: Interval{Split: "s", From: at(from), To: at(to)}, ID: "x"}
}

func announced(t ...Trial) Commit { return Commit{Trying: t} }

func settles(from, to int64) Commit { return Commit{Settled: []Interval{span(from, to).Item}} }

var begins = Commit{Begins: true}

func TestTrialsCountTheCrashesOfTheirItems(t *testing.T) {
	var p Progress
	p.Apply(begins, announced(span(1, 2), span(2, 3), span(3, 4)), settles(2, 3))
	p.Apply(begins)
	require.Equal(t, []Trial{{Item: span(1, 2).Item, ID: "x", Crashes: 1}, {Item: span(3, 4).Item, ID: "x", Crashes: 1}}, p.Trials, "a settled item is no suspect")
	p.Apply(announced(span(1, 2)), begins)
	require.Equal(t, []int{2, 1}, []int{p.Trials[0].Crashes, p.Trials[1].Crashes}, "only the item that was in flight again")
	require.Equal(t, []bool{false, false}, []bool{p.Trials[0].Suspect, p.Trials[1].Suspect})
	p.Apply(Commit{Trying: []Trial{span(3, 4)}, Clean: true}, begins)
	require.Equal(t, []int{2, 1}, []int{p.Trials[0].Crashes, p.Trials[1].Crashes}, "the process stopped by itself")
	p.Apply(announced(span(3, 4), span(4, 5)), Commit{Begins: true, Stuck: true})
	require.True(t, p.Trials[2].Suspect, "the process settled nothing")
}

func TestAProcessThatSettlesNothingHasNotMoved(t *testing.T) {
	var p Progress
	p.Apply(settles(1, 2))
	require.True(t, p.Moved)
	p.Apply(begins, announced(span(4, 5)))
	require.False(t, p.Moved)
	p.Apply(settles(2, 3), announced(span(4, 5)))
	require.True(t, p.Moved)
}

func TestACrashBlamesWhatWasAnnouncedSinceNothingWasInFlight(t *testing.T) {
	var p Progress
	single := span(3, 4)
	single.Single = true
	p.Apply(begins, announced(span(0, 3)), Commit{Alone: true, Trying: []Trial{single}}, begins)
	require.Equal(t, []Trial{{Item: single.Item, ID: "x", Crashes: 1, Alone: 1}}, p.Trials)
	p.Apply(Commit{Alone: true, Trying: []Trial{single}}, Commit{Alone: true}, begins)
	require.Equal(t, 1, p.Trials[0].Crashes, "it had returned")
}

// Chunks have other ends in each process. The crashes of each item are those in which it was in
// flight.
func TestCrashesAreCountedItemByItem(t *testing.T) {
	const items = 60
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var p Progress
		var crashes [items]int
		var settled, inFlight [items]bool
		for range 1 + dice.IntN(80) {
			from := dice.Int64N(items)
			to := from + 1 + dice.Int64N(min(8, items-from))
			switch dice.IntN(5) {
			case 0, 1:
				p.Apply(announced(span(from, to)))
				for i := from; i < to; i++ {
					inFlight[i] = true
				}
			case 2:
				p.Apply(settles(from, to))
				for i := from; i < to; i++ {
					settled[i] = true
				}
			case 3:
				p.Apply(begins)
				for i := range crashes {
					if inFlight[i] && !settled[i] {
						crashes[i]++
					}
					inFlight[i] = false
				}
			case 4:
				p.Apply(Commit{Alone: true})
				inFlight = [items]bool{}
			}
		}
		p.Apply(announced(span(items, items+1)), begins) // counts the last crash
		for i := range crashes {
			if inFlight[i] && !settled[i] {
				crashes[i]++
			}
			if settled[i] {
				crashes[i] = 0
			}
		}
		var got [items]int
		for _, trial := range p.Trials {
			for i := trial.Item.From.Offset; i < min(items, trial.Item.To.Offset); i++ {
				if !settled[i] {
					got[i] = max(got[i], trial.Crashes)
				}
			}
		}
		require.Equal(t, crashes, got, "seed %d", seed)
	}
}

// history is n records of a process that crashed again and again: each announces 25 items; those of
// the record before settle, but for a few.
func history(n int) []Commit {
	var all []Commit
	for i := range int64(n) {
		var c Commit
		for k := range int64(25) {
			c.Trying = append(c.Trying, span(25*i+k, 25*i+k+1))
		}
		if i > 0 {
			c.Settled = []Interval{span(25*i-24, 25*i-1).Item}
		}
		c.Number, c.Begins = i, i%50 == 0
		all = append(all, c)
	}
	return all
}

func TestApplyTakesLinearTime(t *testing.T) {
	steps := func(n int, apart bool) int {
		var p Progress
		if !apart {
			p.Apply(history(n)...)
		}
		for i, c := range history(n) {
			if apart {
				p.Apply(c)
				require.EqualValues(t, i+1, p.Number)
			}
		}
		require.NotEmpty(t, p.Trials)
		return p.settled.steps
	}
	small, large := steps(1000, false), steps(8000, false)
	t.Logf("steps for 1,000 records: %d, for 8,000: %d", small, large)
	require.Less(t, large, 8*2*small)
	require.Less(t, large, 8000*25*20)
	require.Less(t, steps(500, true), 500*25*20)
}

func TestUnionsOfManyIntervalsTakeLinearTime(t *testing.T) {
	const n = 300_000
	dice := rand.New(rand.NewPCG(1, 2))
	commits := make([]Commit, n/1000)
	for i := range commits {
		for range 1000 {
			at := 3 * dice.Int64N(n)
			commits[i].Settled = append(commits[i].Settled, span(at, at+1).Item)
		}
	}
	var p Progress
	p.Apply(commits...)
	require.Greater(t, len(p.Settled), n/2, "almost each leaves a hole")
	require.Less(t, p.settled.steps, 20*n)
	for i := range commits {
		require.True(t, p.settled.has(commits[i].Settled[i]))
	}
}
