package source_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// steps is a Plan of the numbers 0 to n-1 in a few splits that can be divided anywhere. A page of
// 100 takes a second.
type steps struct {
	n, splits int64
	fail      func(at int64) // before a page
	failAsked func()         // in TrySplit
	read      atomic.Int64
}

func (s *steps) plan() dmap.Plan[int64] {
	return dmap.Plan[int64]{Splits: s.all, Read: s.items, TrySplit: s.trySplit, Readers: 8}
}

func (s *steps) all(context.Context) iter.Seq2[dmap.Split, error] {
	return func(yield func(dmap.Split, error) bool) {
		for i := range s.splits {
			split := dmap.Split{ID: strconv.FormatInt(i, 10), From: dmap.Cursor{Offset: s.n / s.splits * i}, To: dmap.Cursor{Offset: s.n / s.splits * (i + 1)}}
			if !yield(split, nil) {
				return
			}
		}
	}
}

func (s *steps) items(ctx context.Context, split dmap.Split) iter.Seq2[dmap.Item[int64], error] {
	return func(yield func(dmap.Item[int64], error) bool) {
		for i := split.From.Offset; i < split.To.Offset; i++ {
			if (i-split.From.Offset)%100 == 0 {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					yield(dmap.Item[int64]{}, context.Cause(ctx))
					return
				}
				if s.fail != nil {
					s.fail(i)
				}
			}
			s.read.Add(1)
			if !yield(dmap.Item[int64]{Value: i, Next: dmap.Cursor{Offset: i + 1}}, nil) {
				return
			}
		}
	}
}

func (s *steps) trySplit(_ context.Context, reading []dmap.Split) (which int, at dmap.Cursor, ok bool) {
	if s.failAsked != nil {
		s.failAsked()
	}
	longest := int64(400)
	for i, r := range reading {
		if n := r.To.Offset - r.From.Offset; n > longest {
			which, longest, ok = i, n, true
			at.Offset = r.From.Offset + n/2
		}
	}
	return which, at, ok
}

func TestItemsThatAreReadAheadComeInOrder(t *testing.T) {
	for _, splits := range []int64{1, 3, 50} {
		for _, most := range []int{1, 700, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				s := &steps{n: 15_000, splits: splits}
				start, next := time.Now(), int64(0)
				for item, err := range source.ReadAhead(t.Context(), s.plan(), most) {
					require.NoError(t, err)
					require.Equal(t, next, item.Value)
					next++
				}
				require.Equal(t, s.n, next)
				if most == 1<<20 {
					require.LessOrEqual(t, time.Since(start), 40*time.Second, "150 pages by 8 readers")
				}
			})
		}
	}
}

func TestReadingAheadHoldsABoundedNumberOfItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &steps{n: 200_000, splits: 4}
		n := 0
		for _, err := range source.ReadAhead(t.Context(), s.plan(), 5000) {
			require.NoError(t, err)
			if n++; n%3000 == 0 {
				time.Sleep(time.Minute) // the readers fill what they may
				require.LessOrEqual(t, s.read.Load(), int64(n+5000+3*1000+8))
			}
			if n == 60_000 {
				break
			}
		}
	})
}

func TestReadingAheadEndsWithTheErrorOfItsSource(t *testing.T) {
	for name, test := range map[string]struct {
		steps *steps
		want  error
	}{
		"panic of Read":      {&steps{fail: func(at int64) { panicAt(at, 7000) }}, errDenied},
		"panic of TrySplit":  {&steps{failAsked: func() { panic(errDenied) }}, errDenied},
		"Goexit of Read":     {&steps{fail: func(at int64) { exitAt(at, 7000) }}, dmap.ErrGoexit},
		"Goexit of TrySplit": {&steps{failAsked: runtime.Goexit}, dmap.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.steps.n, test.steps.splits = 15_000, 2
				var last error
				next := int64(0)
				for item, err := range source.ReadAhead(t.Context(), test.steps.plan(), 1000) {
					if last = err; err == nil {
						require.Equal(t, next, item.Value)
						next++
					}
				}
				require.ErrorIs(t, last, test.want)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		why := errors.New("enough")
		var last error
		for item, err := range source.ReadAhead(ctx, (&steps{n: 15_000, splits: 1}).plan(), 1000) {
			if last = err; item.Value == 2500 {
				cancel(why)
			}
		}
		require.ErrorIs(t, last, why)
	})
}

func panicAt(at, from int64) {
	if at >= from {
		panic(errDenied)
	}
}

func exitAt(at, from int64) {
	if at >= from {
		runtime.Goexit()
	}
}
