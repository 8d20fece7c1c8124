package coord

import (
	"encoding/json"
	"fmt"

	"github.com/go-dmap/dmap/dmap"
)

// Pieces are pieces in the order of the queue. The planner cuts a split into many pieces, one after
// the other. Their JSON form has the split once, so that a page costs little in the history of a
// workflow.
type Pieces []Piece

// mostDecoded bounds the pieces of a JSON form. A state has fewer.
const mostDecoded = 1 << 16

// pieceRun is the JSON form of pieces that continue each other.
type pieceRun struct {
	Split dmap.Split `json:"split"` // from the start of the first piece to the end of the last one
	Items int64      `json:"items,omitempty"`
	Part  float64    `json:"part,omitempty"` // of a single piece
	// Cuts are the pieces before the last one, of which Items is.
	Cuts []cut `json:"cuts,omitempty"`

	last int64 // offset of the start of the last piece
}

// cut is the length of pieces by their offsets, the items of each, and the number of such pieces.
type cut [3]int64

// MarshalJSON writes the runs of pieces.
func (p Pieces) MarshalJSON() ([]byte, error) {
	runs := []pieceRun{}
	for _, piece := range p {
		if n := len(runs); n > 0 && runs[n-1].extend(piece) {
			continue
		}
		runs = append(runs, pieceRun{Split: piece.Split, Items: piece.Items, Part: piece.Part, last: piece.Split.From.Offset})
	}
	return json.Marshal(runs)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (p *Pieces) UnmarshalJSON(text []byte) error {
	var runs []pieceRun
	if err := json.Unmarshal(text, &runs); err != nil {
		return err
	}
	*p = nil
	for _, r := range runs {
		if err := r.addTo(p); err != nil {
			return err
		}
	}
	return nil
}

// extend adds a piece that continues the last one. It reports false if a cut cannot say where.
func (r *pieceRun) extend(piece Piece) bool {
	end := r.Split.To
	if r.Part+piece.Part > 0 || r.last < 0 || end.Offset <= r.last || end.Key != r.Split.From.Key || !continues(r.Split, piece.Split) {
		return false
	}
	r.cut(end.Offset-r.last, r.Items)
	r.Split.To, r.Items, r.last = piece.Split.To, piece.Items, end.Offset
	return true
}

func (r *pieceRun) cut(length, items int64) {
	if n := len(r.Cuts); n > 0 && r.Cuts[n-1][0] == length && r.Cuts[n-1][1] == items {
		r.Cuts[n-1][2]++
		return
	}
	r.Cuts = append(r.Cuts, cut{length, items, 1})
}

// addTo adds the pieces of the run.
func (r *pieceRun) addTo(p *Pieces) error {
	rest := Piece{Split: r.Split, Items: r.Items, Part: r.Part}
	for _, c := range r.Cuts {
		if c[0] <= 0 || c[2] <= 0 || c[2] > mostDecoded-int64(len(*p)) {
			return fmt.Errorf("coord: the pieces of split %q make no sense: cut %v", r.Split.ID, c)
		}
		for range c[2] {
			piece := Piece{Split: rest.Split, Items: c[1]}
			piece.Split.To = rest.Split.From
			piece.Split.To.Offset += c[0]
			*p = append(*p, piece)
			rest.Split.From, rest.Split.Before = piece.Split.To, ""
		}
	}
	*p = append(*p, rest)
	return nil
}
