package coord

import (
	"slices"
	"time"

	"github.com/go-dmap/dmap/dmap"
)

const pagePieces = 256

// PlanNext returns a task for the planner, if more pieces are wanted.
func (s *State) PlanNext(now time.Time) (PlanTask, bool) {
	at := s.age(now)
	room := s.room() / 2
	p := &s.Plan
	if p.Done || p.Busy || s.End != nil || s.Draining || room < 1 || !s.wants(room) || at < p.Until {
		return PlanTask{}, false
	}
	p.Task++
	p.Busy = true
	task := PlanTask{
		Task: p.Task, After: p.After, Pieces: min(pagePieces, room), Items: pieceItems(s.Call, s.Control.slots(0), s.Control.Capacity(), p.Items),
		Whole: wholeItems(s.Call, s.Control.slots(0), s.Control.Capacity()), Few: fewObjects - p.Objects,
	}
	if s.MaxItems > 0 {
		task.Max = s.MaxItems - p.Items
	}
	return task, true
}

// wants reports whether the queue should have more pieces, if room is that for the next page. With
// many pieces the leases are long, as more of the source is known. Pieces from before the first
// call are the smallest: these stay few. A small page is not worth its task while others wait.
func (s *State) wants(room int) bool {
	n := len(s.Queue)
	if n < max(64, s.Control.Capacity()) {
		return true
	}
	return s.Call > 0 && n < pagePieces && room >= pagePieces/4
}

// Planned records the pieces of a task.
func (s *State) Planned(page Page, now time.Time) Outcome {
	p := &s.Plan
	switch {
	case page.Task < 1 || page.Task > p.Task:
		return Unknown
	case page.Task < p.Task || !p.Busy:
		return Repeated
	case !s.fits(page):
		p.Busy = false
		s.end(End{Why: Failed, Error: "a plan has too many pieces, or does not say where it continues"})
		return Invalid
	}
	p.Busy, p.Lost = false, 0
	if s.End != nil {
		return Accepted
	}
	s.Queue = append(s.Queue, page.Pieces...)
	p.Objects = min(fewObjects, p.Objects+page.objects(p.After))
	p.Items += page.items()
	p.After, p.Done = page.Next, page.Done || s.MaxItems > 0 && p.Items >= s.MaxItems
	if p.Done {
		p.After = nil
	}
	s.endIfDone()
	return Accepted
}

// fits reports whether page is a result of the task that is under way.
func (s *State) fits(page Page) bool {
	if page.Settled < 0 || page.Again < 0 || page.items() < 0 || slices.ContainsFunc(page.Pieces, func(p Piece) bool { return p.Items < 0 }) {
		return false
	}
	items := s.Plan.Items + page.items()
	return len(page.Pieces) <= pagePieces && (page.Done || page.Next != nil) && (s.MaxItems == 0 || items <= s.MaxItems)
}

// fewObjects is the number of small objects that are not few any more: each is a piece.
const fewObjects = 64

// objects is the number of objects that the pieces begin after a split.
func (p *Page) objects(after *dmap.Split) (n int) {
	for _, piece := range p.Pieces {
		s := piece.Split
		if s.Object != "" && (after == nil || after.ID != s.ID || after.Object != s.Object) {
			n++
		}
		after = &s
	}
	return n
}

// items is the number of items of the source up to the end of the page, as far as it is known.
func (p *Page) items() int64 {
	n := p.Settled - p.Again
	for _, piece := range p.Pieces {
		n += piece.Items
	}
	return n
}

// PlanLost records that a task has no result: another one takes its place.
func (s *State) PlanLost(task int64, now time.Time) Outcome {
	p := &s.Plan
	if task != p.Task || !p.Busy {
		return Repeated
	}
	p.Busy = false
	p.Lost++
	p.Until = s.age(now) + backOff(p.Lost)
	if p.Lost >= maxAttempts {
		s.end(End{Why: Failed, Error: "the source cannot be planned"})
	}
	return Accepted
}
