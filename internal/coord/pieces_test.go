package coord

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
)

func inJSON(t *testing.T, p Pieces) (text string) {
	data, err := json.Marshal(p)
	require.NoError(t, err)
	var back Pieces
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, p, back)
	return string(data)
}

func TestPiecesHaveOneSplitInJSON(t *testing.T) {
	var p Pieces
	for i := range 256 {
		p = append(p, Piece{Split: piece(8*i, 8*i+8), Items: 8})
	}
	require.JSONEq(t, `[{"split":{"id":"s","to":{"offset":2048}},"items":8,"cuts":[[8,8,255]]}]`, inJSON(t, p))
	p[255].Split.To = dmap.Cursor{}
	p[255].Items, p[7].Items = 5, 6 // the source skips two
	require.JSONEq(t, `[{"split":{"id":"s"},"items":5,"cuts":[[8,8,7],[8,6,1],[8,8,247]]}]`, inJSON(t, p))
	require.Equal(t, "[]", inJSON(t, nil))
}

// Whatever the pieces are, JSON changes none of them.
func TestPiecesSurviveJSON(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		one := func(of ...string) string { return of[r.IntN(len(of))] }
		cursor := func() dmap.Cursor {
			return dmap.Cursor{Key: one("", "", "", "k"), Offset: int64(r.IntN(4)) - int64(r.IntN(50)/49)}
		}
		var p Pieces
		for range r.IntN(40) {
			s := dmap.Split{ID: one("a", "a", "b"), Object: one("", "", "o"), Version: one("1", "1", "2"), From: cursor(), To: cursor(), Before: one("", "", "", "h")}
			if n := len(p); n > 0 && r.IntN(4) > 0 {
				s = p[n-1].Split
				s.Before = one("", "", "", "h")
				s.From, s.To = s.To, cursor()
				s.To.Offset += s.From.Offset
			}
			p = append(p, Piece{Split: s, Items: int64(r.IntN(3)), Part: float64(r.IntN(8)/7) / 4})
		}
		if len(p) == 0 {
			p = nil
		}
		inJSON(t, p)
	}
}

func TestPiecesRefuseCutsThatMakeNoSense(t *testing.T) {
	for _, cut := range []string{"[0,1,1]", "[-1,1,1]", "[1,1,0]", "[1,1,-3]", "[1,1,9000000000]", "[1,1,65537]"} {
		var p Pieces
		require.ErrorContains(t, json.Unmarshal(fmt.Appendf(nil, `[{"split":{"id":"s"},"cuts":[%s]}]`, cut), &p), "make no sense", cut)
	}
	require.Error(t, json.Unmarshal([]byte(`{}`), new(Pieces)))
}

// A source of few objects has each of them cut, also over several pages of its plan.
func TestObjectsOfAPlanAreCountedOnce(t *testing.T) {
	object := func(name string, from, to int64) Piece {
		return Piece{Split: dmap.Split{ID: "all", Object: name, From: dmap.Cursor{Offset: from}, To: dmap.Cursor{Offset: to}}, Items: 1}
	}
	s, err := Begin(Start{Planned: true, Now: after(0), Control: Control{Limit: 10, PerLease: 5}})
	require.NoError(t, err)
	for i, c := range []struct {
		pieces []Piece
		few    int // of the next task
	}{
		{[]Piece{object("a", 0, 1), object("a", 1, 2)}, fewObjects - 1},
		{[]Piece{object("a", 2, 3), object("b", 3, 4), {Split: dmap.Split{ID: "leaf"}}}, fewObjects - 2},
	} {
		task, ok := s.PlanNext(after(0))
		require.True(t, ok)
		require.Equal(t, Accepted, s.Planned(Page{Task: task.Task, Pieces: c.pieces, Next: &c.pieces[len(c.pieces)-1].Split}, after(0)))
		require.Equal(t, c.few, fewObjects-s.Plan.Objects, "page %d", i)
	}
	var many []Piece
	for i := range pagePieces {
		many = append(many, object(fmt.Sprint(i), 0, 0))
	}
	task, ok := s.PlanNext(after(0))
	require.True(t, ok)
	require.Equal(t, fewObjects-2, task.Few)
	require.Equal(t, Accepted, s.Planned(Page{Task: task.Task, Pieces: many, Next: &many[0].Split}, after(0)))
	require.Equal(t, fewObjects, s.Plan.Objects)
}
