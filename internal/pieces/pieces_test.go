package pieces_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/pieces"
)

// files is a source of files of 10 items each, of which each is a split.
type files struct{ n int }

func (f files) splits(_ context.Context, settled func(string) (dmap.Cursor, bool)) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for i := range f.n {
			s := dmap.Split{ID: fmt.Sprint(i)}
			end, ok := settled(s.ID)
			if s.From = end; ok && end == (dmap.Cursor{}) {
				continue // it leaves out settled files
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (f files) plan(resumes bool, read func(s dmap.Split)) dmap.Plan[int] {
	none := func(string) (dmap.Cursor, bool) { return dmap.Cursor{}, false }
	p := dmap.Plan[int]{
		Splits: func(ctx context.Context) iter.Seq2[dmap.Split, error] { return f.splits(ctx, none) },
		Read: func(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
			read(s)
			return func(yield func(dmap.Item[int], error) bool) {
				for i := s.From.Offset; i < 10; i++ {
					item := dmap.Item[int]{Key: s.ID, Offset: i, Next: dmap.Cursor{Offset: i + 1}}
					if i%5 == 4 {
						item.Err = dmap.ErrSkip
					}
					if !yield(item, nil) {
						return
					}
				}
			}
		},
	}
	if resumes {
		p.Resume = f.splits
	}
	return p
}

func all(t *testing.T, plan dmap.Plan[int], at pieces.Cursor, limits pieces.Limits) (out []string) {
	t.Helper()
	for p, err := range pieces.Plan(t.Context(), plan, at, limits) {
		require.NoError(t, err)
		out = append(out, fmt.Sprintf("%s:%d-%d", p.Split.ID, p.Split.From.Offset, p.Split.To.Offset))
	}
	return out
}

// A piece ends after a number of items, and the last one with its split, also if it is full.
func TestAPieceEndsWithItsSplit(t *testing.T) {
	plan := files{2}.plan(false, func(dmap.Split) {})
	require.Equal(t, []string{"0:0-4", "0:4-8", "0:8-0", "1:0-4", "1:4-8", "1:8-0"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 4}))
	require.Equal(t, []string{"0:0-5", "0:5-0", "1:0-5", "1:5-0"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 5}))
}

// Objects that the source takes for small are cut while they are few.
func TestFewSmallObjectsAreCut(t *testing.T) {
	plan := files{3}.plan(false, func(dmap.Split) {})
	plan.Sharing = func(dmap.Split) dmap.Sharing { return dmap.SharedAsPlanned }
	require.Equal(t, []string{"0:0-0", "1:0-0", "2:0-0"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 5, Few: 2}), "no objects")
	splits := plan.Splits
	plan.Splits = func(ctx context.Context) iter.Seq2[dmap.Split, error] {
		return func(yield func(dmap.Split, error) bool) {
			for s, err := range splits(ctx) {
				if s.Object = s.ID; !yield(s, err) {
					return
				}
			}
		}
	}
	require.Equal(t, []string{"0:0-0", "1:0-0", "2:0-0"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 5}))
	require.Equal(t, []string{"0:0-5", "0:5-0", "1:0-5", "1:5-0", "2:0-0"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 5, Few: 2}))
}

// Eight items of each file are not skipped.
func TestAPlanEndsAfterExactlyTheFirstItems(t *testing.T) {
	plan := files{3}.plan(false, func(dmap.Split) {})
	require.Equal(t, []string{"0:0-0", "1:0-4"}, all(t, plan, pieces.Cursor{}, pieces.Limits{Items: 100, Most: 12}))
	at := pieces.Cursor{After: &dmap.Split{ID: "0"}, Items: 8}
	require.Equal(t, []string{"1:0-4"}, all(t, plan, at, pieces.Limits{Items: 100, Most: 12}))
	at = pieces.Cursor{After: &dmap.Split{ID: "1", To: dmap.Cursor{Offset: 4}}, Items: 12}
	require.Empty(t, all(t, plan, at, pieces.Limits{Items: 100, Most: 12}))
}

// The files before the cursor are not read again, whether the source can resume or not, and if it
// leaves out the file of the cursor.
func TestAPlanContinuesAfterAPiece(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		var read []string
		plan := files{4}.plan(resumes, func(s dmap.Split) { read = append(read, s.ID) })
		at := pieces.Cursor{After: &dmap.Split{ID: "2", To: dmap.Cursor{Offset: 6}}}
		require.Equal(t, []string{"2:6-0", "3:0-0"}, all(t, plan, at, pieces.Limits{Items: 10}))
		require.Equal(t, []string{"2", "3"}, read)
		at.After.To = dmap.Cursor{}
		require.Equal(t, []string{"3:0-0"}, all(t, plan, at, pieces.Limits{Items: 10}))
		at.After = &dmap.Split{ID: "gone"}
		for _, err := range pieces.Plan(t.Context(), plan, at, pieces.Usual()) {
			require.ErrorContains(t, err, `no longer has split "gone"`)
		}
	}
}

// lines is a source of an object of lines of 10 bytes, in parts of 10,000 bytes.
func lines(read func()) dmap.Plan[int] {
	const part, object = 10_000, 30_000
	return dmap.Plan[int]{
		Splits: func(context.Context) iter.Seq2[dmap.Split, error] {
			return func(yield func(dmap.Split, error) bool) {
				for at := int64(0); at < object; at += part {
					s := dmap.Split{ID: "0", From: dmap.Cursor{Offset: at}, To: dmap.Cursor{Offset: at + part}}
					if at+part == object {
						s.To = dmap.Cursor{} // as no source knows its end
					}
					if !yield(s, nil) {
						return
					}
				}
			}
		},
		Read: func(_ context.Context, s dmap.Split) iter.Seq2[dmap.Item[int], error] {
			return func(yield func(dmap.Item[int], error) bool) {
				for at := s.From.Offset; at < object && yield(dmap.Item[int]{Offset: at, Next: dmap.Cursor{Offset: at + 10}}, nil); at += 10 {
					read()
				}
			}
		},
	}
}

// A part of a large object may have any number of lines.
func TestAPartIsCutUnlessItsFirstLinesSayThatItIsSmall(t *testing.T) {
	for _, c := range []struct {
		limits pieces.Limits
		want   []string
		read   int // lines, at most
	}{
		{pieces.Limits{Items: 600}, []string{"0:0-6000", "0:6000-10000", "0:10000-16000", "0:16000-20000", "0:20000-26000", "0:26000-0"}, 3000},
		{pieces.Limits{Items: 600, Whole: 999}, []string{"0:0-6000", "0:6000-10000", "0:10000-16000", "0:16000-20000", "0:20000-26000", "0:26000-0"}, 3000},
		{pieces.Limits{Items: 600, Whole: 1000}, []string{"0:0-10000", "0:10000-20000", "0:20000-26000", "0:26000-0"}, 1600},
		{pieces.Limits{Items: 600, Whole: 1000, Most: 1_000_000}, []string{"0:0-6000", "0:6000-10000", "0:10000-16000", "0:16000-20000", "0:20000-26000", "0:26000-0"}, 3000},
	} {
		read := 0
		require.Equal(t, c.want, all(t, lines(func() { read++ }), pieces.Cursor{}, c.limits))
		require.LessOrEqual(t, read, c.read)
	}
	for p, err := range pieces.Plan(t.Context(), lines(func() {}), pieces.Cursor{}, pieces.Limits{Items: 600, Whole: 1000}) {
		require.NoError(t, err)
		require.EqualValues(t, 1000, p.Items)
		break
	}
}

var errBoom = errors.New("boom")

func TestAnErrorOfTheSourceEndsAPlan(t *testing.T) {
	plan := files{1}.plan(false, func(dmap.Split) {})
	fails := func(err error) {
		plan.Read = func(context.Context, dmap.Split) iter.Seq2[dmap.Item[int], error] {
			return func(yield func(dmap.Item[int], error) bool) { yield(dmap.Item[int]{}, err) }
		}
	}
	fails(errBoom)
	for _, err := range pieces.Plan(t.Context(), plan, pieces.Cursor{}, pieces.Usual()) {
		require.ErrorIs(t, err, errBoom)
	}
	for _, left := range []error{dmap.ErrNoObjects, &dmap.BrokenObjectError{Key: "0", Err: errBoom}} {
		fails(left)
		require.Equal(t, []string{"0:0-0"}, all(t, plan, pieces.Cursor{}, pieces.Usual()), "the worker says why")
	}
}
