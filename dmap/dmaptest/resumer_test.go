package dmaptest

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// resumer is numbers as a Resumer, with bugs of its own.
type resumer struct {
	numbers
	resumeBug string
}

func (r *resumer) Resume(ctx context.Context, settled func(id string) dmap.Cursor) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		if r.resumeBug == "error" {
			yield(dmap.Split{}, errors.New("gone"))
			return
		}
		for s, err := range r.Splits(ctx) {
			to := settled(s.ID)
			switch {
			case r.resumeBug == "leaves out the next" && to.Offset > 0:
				to.Offset++
			case r.resumeBug == "leaves out what others follow":
				to = dmap.Cursor{Offset: max(to.Offset, settled("part-2").Offset)}
			}
			if to.Offset >= s.To.Offset {
				continue
			}
			s.From.Offset = max(s.From.Offset, to.Offset)
			if !yield(s, err) {
				return
			}
		}
	}
}

func TestSplitterComparesWhatAResumePlans(t *testing.T) {
	open := func(bug string) func(testing.TB) dmap.Splitter[int] {
		return func(testing.TB) dmap.Splitter[int] { return &resumer{resumeBug: bug} }
	}
	require.Empty(t, find(t, splitterChecks(open(""), compareBy[int](nil))))
	for bug, want := range map[string]string{
		"error":                         `resume behind item 0 of split "part-0": gone`,
		"leaves out the next":           `resume behind item 0 of split "part-0", compared with what follows: item 0 is "numbers@2", want "numbers@1"`,
		"leaves out what others follow": `resume behind item 0 of split "part-2", compared with what follows`,
	} {
		said := find(t, splitterChecks(open(bug), compareBy[int](nil)))
		require.Contains(t, said, "a resume plans what is not settled: ", bug)
		require.Contains(t, said, want, bug)
	}
}
