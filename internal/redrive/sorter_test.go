package redrive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/runfolder"
)

// memory is a Store that knows how much of it is in use.
type memory struct {
	parts   map[string][]byte
	written int
	most    int64 // bytes of one Read
	damage  bool
}

func (m *memory) Write(_ context.Context, content []byte, records int64) (runfolder.Part, error) {
	m.written++
	key := fmt.Sprint(m.written)
	m.parts[key] = append([]byte{}, content...)
	sum := sha256.Sum256(content)
	if m.damage {
		m.parts[key][20] ^= 1
	}
	return runfolder.Part{Key: key, Size: int64(len(content)), Records: records, SHA256: hex.EncodeToString(sum[:])}, nil
}

func (m *memory) Read(_ context.Context, p runfolder.Part, offset, length int64) ([]byte, error) {
	m.most = max(m.most, length)
	return append([]byte{}, m.parts[p.Key][offset:offset+length]...), nil
}

func (m *memory) Delete(_ context.Context, p runfolder.Part) { delete(m.parts, p.Key) }

func shuffled(n int) []runfolder.Item {
	items := make([]runfolder.Item, n)
	for i := range items {
		split := fmt.Sprintf("split%d\xff", i%7)
		items[i] = runfolder.Item{Key: fmt.Sprint(i), Offset: int64(i), Split: split, Start: runfolder.Cursor{Key: "k", Offset: int64(i)}}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

func TestSorterSortsBySplitAndStart(t *testing.T) {
	for _, c := range []struct{ n, memory, fan int }{{0, 0, 0}, {1, 0, 0}, {500, 0, 0}, {500, 1 << 10, 0}, {5000, 2 << 10, 3}, {5000, 100, 2}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			store := &memory{parts: map[string][]byte{}}
			s := Sorter{Store: store, Memory: c.memory, Fan: c.fan}
			for _, item := range shuffled(c.n) {
				require.NoError(t, s.Add(t.Context(), &item))
			}
			seen, before := map[string]bool{}, line{}
			err := s.Each(t.Context(), func(text []byte) error {
				r, err := runfolder.DecodeRecord(text)
				require.NoError(t, err)
				l := line{split: r.Split, start: r.Start}
				require.LessOrEqual(t, before.compare(&l), 0)
				require.False(t, seen[r.ID])
				before, seen[r.ID] = l, true
				return nil
			})
			require.NoError(t, err)
			require.Len(t, seen, c.n)
			require.Empty(t, store.parts, "runs are deleted")
			require.LessOrEqual(t, store.most, int64(blockBytes))
		})
	}
}

func TestSorterFindsADamagedRun(t *testing.T) {
	store := &memory{parts: map[string][]byte{}, damage: true}
	s := Sorter{Store: store, Memory: 1 << 10}
	for _, item := range shuffled(100) {
		require.NoError(t, s.Add(t.Context(), &item))
	}
	require.Error(t, s.Each(t.Context(), func([]byte) error { return nil }))
}

func TestChoiceDecidesWhichRunsAreRedriven(t *testing.T) {
	failed := End{Status: runfolder.StatusFailed, Failed: 5, Done: true}
	for _, c := range []struct {
		name   string
		choice runfolder.Choice
		end    End
		want   bool
	}{
		{"no redrive is asked for", runfolder.Choice{}, failed, false},
		{"failed", runfolder.Choice{Max: 1}, failed, true},
		{"Max is used up", runfolder.Choice{Max: 2}, End{Status: runfolder.StatusFailed, Made: 2}, false},
		{"Max is not used up", runfolder.Choice{Max: 2}, End{Status: runfolder.StatusFailed, Made: 1}, true},
		{"a trial needs no Max", runfolder.Choice{Limit: 1}, End{Status: runfolder.StatusFailed, Made: 2}, true},
		{"canceled", runfolder.Choice{Max: 1}, End{Status: runfolder.StatusCanceled}, false},
		{"canceled, and asked for", runfolder.Choice{Max: 1, Canceled: true}, End{Status: runfolder.StatusCanceled}, true},
		{"succeeded", runfolder.Choice{Max: 1, Tolerated: true}, End{Status: runfolder.StatusSucceeded, Done: true}, false},
		{"tolerated", runfolder.Choice{Max: 1}, End{Status: runfolder.StatusSucceeded, Failed: 1, Done: true}, false},
		{"tolerated, and asked for", runfolder.Choice{Max: 1, Tolerated: true}, End{Status: runfolder.StatusSucceeded, Failed: 1, Done: true}, true},
	} {
		require.Equal(t, c.want, Wants(c.choice, c.end), c.name)
	}
}

func TestChooserTakesByClassGlobMatchAndLimit(t *testing.T) {
	match := func(r *runfolder.Record) (bool, error) { return r.Offset != 3, nil }
	c, err := NewChooser(runfolder.Choice{Classes: []string{"panic", "timeout"}, Glob: "a/*", Limit: 2}, match)
	require.NoError(t, err)
	take := func(key, class string, offset int64) bool {
		ok, err := c.Takes(&runfolder.Record{Item: runfolder.Item{Key: key, Offset: offset}, Class: class})
		require.NoError(t, err)
		return ok
	}
	require.False(t, take("a/b", "error", 0))
	require.False(t, take("b/b", "panic", 0))
	require.False(t, take("a/b", "panic", 3))
	require.True(t, take("a/b", "panic", 0))
	require.False(t, c.Full())
	require.True(t, take("a/c", "timeout", 1))
	require.True(t, c.Full())
	require.False(t, take("a/d", "timeout", 1))
	_, err = NewChooser(runfolder.Choice{Glob: "["}, nil)
	require.Error(t, err)
}
