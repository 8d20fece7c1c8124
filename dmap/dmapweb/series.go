package dmapweb

import (
	"net/http"

	"github.com/go-dmap/dmap/internal/watch"
)

// history is the answer of /series.
type history struct {
	watch.Series
	Marks   []watch.Mark `json:"marks"`
	Omitted int64        `json:"omittedMarks,omitempty"`
	Empty   string       `json:"empty,omitempty"` // there is no series: why
}

func (p *site) serveSeries(w http.ResponseWriter, r *http.Request) error {
	f, err := p.find(r, false)
	if err != nil {
		return err
	}
	if f.live == nil {
		return answer(w, history{
			Series: watch.Series{Points: []watch.Point{}}, Marks: storedMarks(f.stored), Omitted: f.stored.EditCount - int64(len(f.stored.Edits)),
			Empty: "The history of a run is kept by the process that works on it, while it lives. Save the report there to keep it.",
		})
	}
	s := f.live.Snapshot()
	return answer(w, history{Series: f.live.Series(0), Marks: s.Marks, Omitted: s.Omitted})
}
