package dmaptest

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

// resumer is numbers with a Resume, right but for its bug.
type resumer struct {
	numbers
	resumeBug string
}

func (r *resumer) Plan() dmap.Plan[int] {
	return dmap.Plan[int]{Splits: r.Splits, Read: r.Read, Resume: r.Resume}
}

func (r *resumer) Resume(ctx context.Context, settled func(id string) (dmap.Cursor, bool)) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		if r.resumeBug == "error" {
			yield(dmap.Split{}, errors.New("gone"))
			return
		}
		for s, err := range r.Splits(ctx) {
			to, some := settled(s.ID)
			if some && to == (dmap.Cursor{}) { // all
				continue
			}
			switch {
			case r.resumeBug == "leaves out the next" && to.Offset > 0:
				to.Offset++
			case r.resumeBug == "leaves out settled items of another split":
				other, _ := settled("part-2")
				to.Offset = max(to.Offset, other.Offset)
			case r.resumeBug == "leaves out splits without settled items" && to.Offset == 0:
				continue
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

func TestSuiteComparesResumeWithTheRest(t *testing.T) {
	open := func(bug string) func(testing.TB) dmap.Source[int] {
		return func(testing.TB) dmap.Source[int] { return &resumer{resumeBug: bug} }
	}
	require.Empty(t, find(t, planChecks(open(""), compareBy[int](nil))))
	for bug, want := range map[string]string{
		"error":               `resume after item 0 of split "part-0": gone`,
		"leaves out the next": `resume after item 0 of split "part-0", compared with the items that follow: item 0 is "numbers@2", want "numbers@1"`,
		"leaves out settled items of another split": `resume after item 0 of split "part-2", compared with the items that follow`,
		"leaves out splits without settled items":   `resume after item 0 of split "part-0", compared with the items that follow: 19 items, want 59`,
	} {
		said := find(t, planChecks(open(bug), compareBy[int](nil)))
		require.Contains(t, said, "Resume plans the items that are not settled: ", bug)
		require.Contains(t, said, want, bug)
	}
}
