package source_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// redrivenRun is a run that may be redriven.
type redrivenRun struct {
	bucket    *blob.Bucket
	tolerance dmap.Tolerance
	calls     int64 // after which it is suspended; 0: not at all
}

func (d redrivenRun) run(ctx context.Context, src dmap.Source[string], fails func(number int) bool) (calls int64, stats dmap.Stats, err error) {
	ctx, suspend := context.WithCancelCause(ctx)
	defer suspend(nil)
	var called atomic.Int64
	stats, err = dmap.Map(ctx, src, func(_ context.Context, v string) (string, error) {
		if called.Add(1) == d.calls {
			suspend(dmap.ErrSuspended)
		}
		if fails(numberOf(v)) {
			return "", errors.New("it fails")
		}
		return v, nil
	}, dmap.Options{RunID: "r", MaxConcurrency: 1, Tolerance: d.tolerance, Redrive: dmap.Redrive{Max: 3}}, sink.Bucket[string](d.bucket, "out"))
	return called.Load(), stats, err
}

// contents are the objects of a bucket, each with the hash of its bytes.
func contents(t *testing.T, bucket *blob.Bucket) map[string]uint32 {
	t.Helper()
	all := map[string]uint32{}
	objects := bucket.List(nil)
	for {
		o, err := objects.Next(t.Context())
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		content, err := bucket.ReadAll(t.Context(), o.Key)
		require.NoError(t, err)
		all[o.Key] = crc32.ChecksumIEEE(content)
	}
}

func otherLists(n int) map[string][]string {
	reversed, swapped, other := names(n), names(n), names(n)
	slices.Reverse(reversed)
	swapped[7], swapped[n-10] = swapped[n-10], swapped[7]
	other[n/2] += "\xff"
	return map[string][]string{"reversed": reversed, "swapped": swapped, "one other value": other}
}

// numberOf is the number of one of the names, in any case; -1 for other values.
func numberOf(v string) int {
	n := -1
	_, _ = fmt.Sscanf(strings.ToLower(v), "name %d", &n)
	return n
}

func TestARedriveOverOtherValuesIsRefusedAndLeavesTheRunAsItWas(t *testing.T) {
	const n = 200
	none := func(int) bool { return false }
	for name, of := range valueSources() {
		for end, tolerance := range map[string]dmap.Tolerance{
			"all settled": {Percentage: 1, MinItems: 1000}, "not all settled": {Count: 1},
		} {
			t.Run(name+", "+end, func(t *testing.T) {
				bucket := memory(t, nil)
				d := redrivenRun{bucket: bucket, tolerance: tolerance}
				_, _, err := d.run(t.Context(), of(names(n)), func(n int) bool { return n == 5 || n >= 180 })
				require.ErrorIs(t, err, dmap.ErrTolerance)
				before := contents(t, bucket)
				for what, list := range otherLists(n) {
					calls, _, err := d.run(t.Context(), of(list), none)
					require.ErrorIs(t, err, dmap.ErrSpecChanged, what)
					require.ErrorContains(t, err, "use another RunID")
					require.NotErrorIs(t, err, dmap.ErrOpen)
					require.Equal(t, 78, dmap.ExitCode(err))
					require.Zero(t, calls)
					require.Equal(t, before, contents(t, bucket))
				}
				_, stats, err := d.run(t.Context(), of(names(n)), none)
				require.NoError(t, err)
				require.Zero(t, stats.Failed+stats.Pending)
				require.Equal(t, 1, stats.Redrives)
			})
		}
	}
}

// The redrive has begun with the right values and was suspended.
func TestAnOpenRedriveOverOtherValuesIsRefused(t *testing.T) {
	const n = 200
	for name, of := range valueSources() {
		t.Run(name, func(t *testing.T) {
			bucket := memory(t, nil)
			d := redrivenRun{bucket: bucket, tolerance: dmap.Tolerance{Percentage: 1, MinItems: 1000}}
			_, _, err := d.run(t.Context(), of(names(n)), func(n int) bool { return n%2 == 1 })
			require.ErrorIs(t, err, dmap.ErrTolerance)
			d.calls = 10
			_, _, err = d.run(t.Context(), of(names(n)), func(int) bool { return false })
			require.ErrorIs(t, err, dmap.ErrSuspended)
			d.calls = 0
			before := contents(t, bucket)
			for what, list := range otherLists(n) {
				calls, _, err := d.run(t.Context(), of(list), func(int) bool { return false })
				require.ErrorIs(t, err, dmap.ErrSpecChanged, what)
				require.Zero(t, calls)
				require.Equal(t, before, contents(t, bucket))
			}
			_, stats, err := d.run(t.Context(), of(names(n)), func(int) bool { return false })
			require.NoError(t, err)
			require.Zero(t, stats.Failed+stats.Pending)
		})
	}
}

// A slice that is changed in place keeps its source.
func TestARedriveComparesASliceThatWasChangedInPlace(t *testing.T) {
	list := names(100)
	src := source.Slice(list)
	d := redrivenRun{bucket: memory(t, nil), tolerance: dmap.Tolerance{Percentage: 1, MinItems: 1000}}
	_, _, err := d.run(t.Context(), src, func(n int) bool { return n%2 == 1 })
	require.ErrorIs(t, err, dmap.ErrTolerance)
	list[1], list[3] = list[3], list[1]
	calls, _, err := d.run(t.Context(), src, func(int) bool { return false })
	require.ErrorIs(t, err, dmap.ErrSpecChanged)
	require.Zero(t, calls)
}

// A run that stays ended is not compared: its end is returned as it is stored.
func TestTheEndOfARunIsReturnedOverOtherValues(t *testing.T) {
	d := redrivenRun{bucket: memory(t, nil), tolerance: dmap.Tolerance{Count: 1}}
	_, _, err := d.run(t.Context(), source.Slice(names(50)), func(int) bool { return false })
	require.NoError(t, err)
	calls, stats, err := d.run(t.Context(), source.Slice(otherLists(50)["reversed"]), func(int) bool { return false })
	require.NoError(t, err)
	require.Zero(t, calls)
	require.True(t, stats.EndedBefore)
}

// A source that breaks while it is compared leaves the run as it was. The same call redrives it.
func TestASourceThatBreaksBeforeARedriveLeavesTheRunAsItWas(t *testing.T) {
	broken := errors.New("the database is away")
	for name, fault := range map[string]func(yield func(string, error) bool, cancel context.CancelCauseFunc){
		"error":       func(yield func(string, error) bool, _ context.CancelCauseFunc) { yield("", broken) },
		"panic":       func(func(string, error) bool, context.CancelCauseFunc) { panic(broken) },
		"goexit":      func(func(string, error) bool, context.CancelCauseFunc) { runtime.Goexit() },
		"interrupted": func(_ func(string, error) bool, cancel context.CancelCauseFunc) { cancel(broken) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			readings := 0
			src := source.Seq2(func(yield func(string, error) bool) {
				readings++
				for i, v := range names(100) {
					if readings == 2 && i == 2 {
						if fault(yield, cancel); name != "interrupted" {
							return
						}
					}
					if !yield(v, nil) {
						return
					}
				}
			})
			d := redrivenRun{bucket: memory(t, nil), tolerance: dmap.Tolerance{Percentage: 1, MinItems: 1000}}
			_, _, err := d.run(t.Context(), src, func(n int) bool { return n%2 == 1 })
			require.ErrorIs(t, err, dmap.ErrTolerance)
			before := contents(t, d.bucket)
			calls, _, err := d.run(ctx, src, func(int) bool { return false })
			if name == "goexit" {
				require.ErrorIs(t, err, dmap.ErrGoexit)
			} else {
				require.ErrorIs(t, err, broken)
			}
			require.ErrorIs(t, err, dmap.ErrOpen)
			require.NotErrorIs(t, err, dmap.ErrSpecChanged)
			require.Zero(t, calls)
			require.Equal(t, before, contents(t, d.bucket))
			_, stats, err := d.run(t.Context(), src, func(int) bool { return false })
			require.NoError(t, err)
			require.EqualValues(t, 100, stats.Succeeded)
		})
	}
}

// A sequence does not know the context. A resume and a redrive stop reading what they drop of it.
func TestTheEndOfTheContextStopsTheReadingOfAPrefix(t *testing.T) {
	for _, failed := range []bool{true, false} {
		t.Run(fmt.Sprintf("redrive %v", failed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := redrivenRun{bucket: memory(t, nil), tolerance: dmap.Tolerance{Percentage: 1, MinItems: 1000}}
				slow := false
				src := source.Seq(func(yield func(string) bool) {
					for _, v := range names(100) {
						if slow {
							time.Sleep(time.Minute)
						}
						if !yield(v) {
							return
						}
					}
				})
				if !failed {
					d.calls = 90
				}
				_, _, err := d.run(t.Context(), src, func(n int) bool { return failed && n >= 80 })
				require.Error(t, err)
				require.Equal(t, !failed, errors.Is(err, dmap.ErrSuspended))
				slow, d.calls = true, 0
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
				defer cancel()
				start := time.Now()
				calls, _, err := d.run(ctx, src, func(int) bool { return false })
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, dmap.ErrOpen)
				require.Zero(t, calls)
				require.Less(t, time.Since(start), 4*time.Minute)
			})
		})
	}
}

func TestTheEndOfTheContextStopsTheReadingBetweenItemsOfARedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := 0
		src := source.Seq(func(yield func(string) bool) {
			readings++
			slow := readings == 3 // the first run reads once, the redrive compares first
			for _, v := range names(100) {
				if slow {
					time.Sleep(time.Minute)
				}
				if !yield(v) {
					return
				}
			}
		})
		d := redrivenRun{bucket: memory(t, nil), tolerance: dmap.Tolerance{Percentage: 1, MinItems: 1000}}
		_, _, err := d.run(t.Context(), src, func(n int) bool { return n == 2 || n == 99 })
		require.ErrorIs(t, err, dmap.ErrTolerance)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		start := time.Now()
		_, _, err = d.run(ctx, src, func(int) bool { return false })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, dmap.ErrOpen)
		require.Equal(t, 3, readings)
		require.Less(t, time.Since(start), 12*time.Minute)
		_, stats, err := d.run(t.Context(), src, func(int) bool { return false })
		require.NoError(t, err)
		require.EqualValues(t, 100, stats.Succeeded)
	})
}
