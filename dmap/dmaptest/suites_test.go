package dmaptest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// find runs checks and returns what they had to say, with their names.
func find(t *testing.T, checks []check) (said string) {
	t.Helper()
	for _, c := range checks {
		if f := failures(t, c.run); f != "" {
			said += c.name + ": " + f + "\n"
		}
	}
	return said
}

func sameInt(a, b int) bool { return a == b }

func TestSourcePassesForARightSource(t *testing.T) {
	items := TestSource(t, func(testing.TB) dmap.Source[int] { return plain{&numbers{}} })
	require.Len(t, items, 60)
	require.Equal(t, 59, items[59].Value)
}

// itemsOnly is a source of one split, as the engine reads a source without a Plan.
type itemsOnly struct{ dmap.Source[int] }

func (s itemsOnly) Plan() dmap.Plan[int] { return dmap.PlanOf(s.Source) }

func TestSourcePassesForARightPlan(t *testing.T) {
	items := TestSource(t, func(testing.TB) dmap.Source[int] { return &numbers{} }, sameInt)
	require.Len(t, items, 60)
	TestSource(t, func(testing.TB) dmap.Source[int] { return &numbers{bug: "splits share their ID"} })
	TestSource(t, func(testing.TB) dmap.Source[int] { return itemsOnly{plain{&numbers{}}} })
	TestSource(t, func(testing.TB) dmap.Source[int] { return &whole{} })
}

func TestSourceFindsPlantedBugs(t *testing.T) {
	for bug, want := range map[string]string{
		"Items fails":              `read of the source: no such bucket`,
		"value changes":            `reading again yields the same: the second reading: item 0 "numbers@0" has Value`,
		"size changes":             `has Size`,
		"error changes":            `has Err`,
		"cursor changes":           `has Next`,
		"size is negative":         `items are well formed: item 0 "numbers@0" has Size -1`,
		"offset is negative":       `has Offset -100: want a position, or WholeObject`,
		"IDs repeat":               `items 0 and 1 have the same ID "numbers@0"`,
		"index restarts":           `item 20 "numbers@20" has Index 0: want one more`,
		"doubled once":             `reading again yields the same: the second reading: item 46 is "numbers@45", want "numbers@46"`,
		"lost once":                `the second reading: item 45 is "numbers@46", want "numbers@45"`,
		"order changes":            `the second reading: item 40 is "numbers@59", want "numbers@40"`,
		"readings share state":     `two readings at once do not affect each other`,
		"Items ignores break":      `break ends the reading: break after 1 items: the sequence continues after break`,
		"Read ignores break":       `break after 1 items: panic: runtime error: range function continued iteration`,
		"context ends silently":    `the context was canceled before the reading: it ends after 0 of 60 without an error`,
		"context is not the error": `the error is "oops": want one that matches context.Canceled`,
	} {
		t.Run(bug, func(t *testing.T) {
			open := func(testing.TB) dmap.Source[int] { return plain{&numbers{bug: bug, from: 3}} }
			if bug == "Items ignores break" || bug == "Read ignores break" { // which plain would hide
				open = func(testing.TB) dmap.Source[int] { return &numbers{bug: bug} }
			}
			require.Contains(t, find(t, sourceChecks(open, compareBy[int](nil))), want)
		})
	}
}

func TestSourceFindsPlantedBugsInAPlan(t *testing.T) {
	for bug, want := range map[string]string{
		"Items fails":                  `read of the source: no such bucket`,
		"Items loses one":              `the splits in order, compared with Items: item 30 is "numbers@30", want "numbers@31"`,
		"index continues over splits":  `compared with Items: item 20 "numbers@20" has Index 0, want 20`,
		"index is off":                 `split "part-0": item 0 "numbers@0" has Index 1: want 0`,
		"plan changes":                 `at the second call of Splits`,
		"splits of one ID overlap":     `splits 0 and 1 have the same ID "part", but 1 does not start at or after the end of 0`,
		"split has no ID":              `split 1 has no ID`,
		"split does not survive JSON":  `comes back from JSON as`,
		"Splits ends with the context": `the context was canceled before Splits: it ends after 0 of 3 without an error`,
		"Splits ignores break":         `break after 1 splits: got 1 (error: the sequence continues after break)`,
		"Read ignores break":           `break ends Splits and Read: break after 1 items: the sequence continues after break`,
		"value changes":                `has Value`,
		"lost once":                    `every cursor leads to the rest`,
		"doubled once":                 `every cursor leads to the rest`,
		"order changes":                `every cursor leads to the rest`,
		"cursor lags":                  `the cursor after item 0 "numbers@0": compared with the rest of the split: item 0 is "numbers@0"`,
		"cursor leads":                 `compared with the rest of the split: item 0 is "numbers@2", want "numbers@1"`,
		"last cursor is the start":     `the cursor after item 19 "numbers@19": compared with the rest of the split: 20 items, want 0`,
		"readings share state":         `splits can be read concurrently: split`,
		"context ends silently":        `the context was canceled before split "part-0" was read: Read ends after 0 of 20 without an error`,
		"context is not the error":     `the error is "oops"`,
	} {
		t.Run(bug, func(t *testing.T) {
			open := func(testing.TB) dmap.Source[int] { return &numbers{bug: bug, from: 6} }
			require.Contains(t, find(t, planChecks(open, compareBy([]func(a, b int) bool{sameInt}))), want)
		})
	}
}

// whole is numbers with a Plan that can be read as one split, right but for its bug.
type whole struct {
	numbers
	bug string
}

func (w *whole) Plan() dmap.Plan[int] {
	p := w.numbers.Plan()
	p.Whole = dmap.Split{ID: "all", To: dmap.Cursor{Offset: 60}}
	switch w.bug {
	case "Whole lacks the last item":
		p.Whole.To.Offset--
	case "Readers is negative":
		p.Readers = -1
	case "no Read":
		p.Read = nil
	case "an Err":
		p.Err = errors.New("no key")
	case "Rest accepts all":
		p = inObject(p, nil)
	case "Rest fails":
		p = inObject(p, errors.New("no such store"))
	}
	return p
}

// inObject is p with splits of an object, whose Rest returns err.
func inObject(p dmap.Plan[int], err error) dmap.Plan[int] {
	splits := p.Splits
	p.Splits = func(ctx context.Context) iter.Seq2[dmap.Split, error] {
		return func(yield func(dmap.Split, error) bool) {
			for s, err := range splits(ctx) {
				s.Object = "k"
				if !yield(s, err) {
					return
				}
			}
		}
	}
	p.Rest = func(context.Context, dmap.Split) (string, error) { return "", err }
	return p
}

func TestSourceFindsPlantedBugsInTheFieldsOfAPlan(t *testing.T) {
	for bug, want := range map[string]string{
		"Whole lacks the last item": `Whole is the source as one split: Whole, compared with Items: 59 items, want 60`,
		"Readers is negative":       `the Plan has Readers -1`,
		"no Read":                   `the Plan has no Splits or no Read`,
		"an Err":                    `the Plan has an Err: no key`,
		"Rest accepts all":          `accepts content that the object has never had`,
		"Rest fails":                `the error has the class "error", want "changed": no such store`,
	} {
		open := func(testing.TB) dmap.Source[int] { return &whole{bug: bug} }
		require.Contains(t, find(t, planChecks(open, compareBy[int](nil))), want)
	}
	open := func(testing.TB) dmap.Source[int] { return &whole{numbers: numbers{bug: "cursor changes"}} }
	require.Contains(t, find(t, planChecks(open, compareBy[int](nil))), "Whole is the source as one split: ")
}

func TestSourcePassesForARightTrySplit(t *testing.T) {
	for _, bug := range []string{"", "does not know ends"} {
		src := &divisible{numbers: &numbers{}, bug: bug}
		TestSource(t, func(testing.TB) dmap.Source[int] { return src })
		require.Greater(t, src.divisions.Load(), int64(30))
	}
}

func TestSourceFindsPlantedBugsInTrySplit(t *testing.T) {
	for bug, want := range map[string]string{
		"loses one after a division": `compared with the split: item`,
		"doubles one at a division":  `compared with the split: item`,
		"index continues":            `item 0 of piece 1, "numbers@`,
		"order differs in pieces":    `compared with the split: item`,
		"divides before the reader":  `want a cursor between`,
		"divides at the end":         `want a cursor between`,
		"divides an unknown split":   `TrySplit chose split`,
		"ends too early":             `the engine reads each piece once: "numbers@`,
		"key changes":                `want "numbers@`,
	} {
		t.Run(bug, func(t *testing.T) {
			open := func(testing.TB) dmap.Source[int] { return &divisible{numbers: &numbers{}, bug: bug} }
			found := ""
			for n := 0; n < 30 && !strings.Contains(found, want); n++ { // on a busy machine the engine divides too late, or nothing
				found = find(t, planChecks(open, compareBy[int](nil)))
			}
			require.Contains(t, found, want)
		})
	}
}

func TestSuitesRefuseSourcesThatShowNothing(t *testing.T) {
	few := func(testing.TB) dmap.Source[int] { return first{1} }
	require.Contains(t, find(t, sourceChecks(few, compareBy[int](nil))), "the source has 1 items: the suite needs at least 2")
	endless := func(testing.TB) dmap.Source[int] { return first{1 << 40} }
	require.Contains(t, find(t, sourceChecks(endless, compareBy[int](nil))), "more than 100000 values")
}

func text(i int) string { return fmt.Sprint("value ", i) }

func onShelf(_ testing.TB, sink dmap.Sink[string]) []dmap.Result[string] {
	if busy, ok := sink.(busyShelf); ok {
		return busy.results
	}
	return sink.(*shelf).results
}

func TestSinkPassesForARightSink(t *testing.T) {
	t.Run("serial", func(t *testing.T) {
		TestSink(t, func(testing.TB) dmap.Sink[string] { return &shelf{} }, text, onShelf)
	})
	t.Run("concurrent", func(t *testing.T) {
		TestSink(t, func(testing.TB) dmap.Sink[string] { return busyShelf{&shelf{}} }, text, onShelf,
			func(a, b string) bool { return a == b })
	})
	TestBrokenSink(t, func(testing.TB) dmap.Sink[string] { return &shelf{bug: "flush is broken"} }, text)
}

func TestSinkFindsWhatIsWrong(t *testing.T) {
	for bug, want := range map[string]string{
		"loses the last of a write":       `each result arrives once and unchanged: the result of "data/0.json@0" is lost`,
		"doubles one":                     `the destination holds the result of "data/0.json@0" twice`,
		"changes values":                  `has Value value 1!, want value 1`,
		"changes errors":                  `has Err failed, want item 0 has failed`,
		"loses errors":                    `has Err <nil>, want item 0 has failed`,
		"changes keys":                    `which was not written`,
		"write is broken":                 `the run: write: no space left`,
		"flush is broken":                 `the run: flush: no space left`,
		"end is broken":                   `the run: end: no space left`,
		"takes pending items for results": `a failed run keeps its results and nothing else: the destination holds a result of "pending@0"`,
		"drops a failed run":              `a failed run keeps its results and nothing else: the result of`,
		"the error hides the context":     `the context ended before write: the error is "write: oops`,
		"drops what comes late":           `before write loses nothing silently: the result of`,
		"is not concurrent":               `writes may be concurrent if the sink says so: the result of`,
	} {
		t.Run(bug, func(t *testing.T) {
			open := func(testing.TB) dmap.Sink[string] { return &shelf{bug: bug} }
			if bug == "is not concurrent" {
				open = func(testing.TB) dmap.Sink[string] { return busyShelf{&shelf{bug: bug}} }
			}
			require.Contains(t, find(t, sinkChecks(open, text, onShelf, compareBy[string](nil))), want)
		})
	}
}

func TestSinksAreCalledInTheOrderOfARun(t *testing.T) {
	s := &shelf{}
	require.NoError(t, play[string]{sink: s, writes: writes(text, 3)}.run(t.Context()))
	require.Equal(t, []string{"begin", "write", "write", "flush", "end"}, s.steps)

	s = &shelf{bug: "write is broken"}
	require.EqualError(t, play[string]{sink: s, writes: writes(text, 3)}.run(t.Context()), "write: no space left")
	require.Equal(t, []string{"begin", "flush", "end"}, s.steps)

	said := failures(t, brokenCheck(func(testing.TB) dmap.Sink[string] { return &shelf{} }, text).run)
	require.Contains(t, said, "100 results were written to a broken destination without an error")
}
