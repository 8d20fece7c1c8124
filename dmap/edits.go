package dmap

import (
	"fmt"
	"sync"
	"time"

	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/scrub"
)

// Edit is a change of a setting of a run by a method of Run, as the run is stored with it.
type Edit struct {
	At      time.Time `json:"at"`      // by the clock of the process
	Setting string    `json:"setting"` // as in EditEvent
	From    string    `json:"from"`    // as EditEvent.Texts
	To      string    `json:"to"`
}

// maxEditText bounds the text of a setting, in bytes.
const maxEditText = 256

// Texts returns the values before and after the change, for people: "10" and "20", "no limit" and
// "50 calls a second", "none" and "10 items or 5 %", "false" and "true".
func (e EditEvent) Texts() (from, to string) { return settingText(e.From), settingText(e.To) }

func settingText(value any) string {
	var text string
	switch v := value.(type) {
	case Tolerance:
		text = v.text()
	default:
		text = fmt.Sprint(v)
	}
	return scrub.Clip(text, maxEditText)
}

// text returns String, and the fields that it leaves out.
func (t Tolerance) text() string {
	text := t.String()
	if t.MinItems > 0 {
		text += fmt.Sprintf(" from %d items on", t.MinItems)
	}
	if t.BrokenObjects > 0 {
		text += fmt.Sprintf(", %d broken objects", t.BrokenObjects)
	}
	return text
}

// edits are the changes of settings that no record of the journal has.
type edits struct {
	observer *observing // nil: there is none

	mu    sync.Mutex // also held while a setting changes: From is the To of the edit before
	fresh journal.Edits
}

// apply changes a setting, and reports that. change returns the values before and after.
func (e *edits) apply(setting string, change func() (from, to any)) {
	e.observer.edited(e.register(setting, change))
}

func (e *edits) register(setting string, change func() (from, to any)) EditEvent {
	e.mu.Lock()
	defer e.mu.Unlock()
	event := EditEvent{Setting: setting}
	if event.From, event.To = change(); event.From != event.To {
		one := journal.Edit{At: time.Now(), Setting: setting}
		one.From, one.To = event.Texts()
		e.fresh.Add(journal.Edits{Count: 1, Newest: []journal.Edit{one}})
	}
	return event
}

// take returns the edits that no record has; from now on one has them.
func (e *edits) take() journal.Edits {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.fresh
	e.fresh = journal.Edits{}
	return taken
}

// endWith adds the edits that no record has to the end of the run.
func (e *edits) endWith(ending *Ending) {
	left := e.take()
	ending.EditCount = left.Count
	for _, one := range left.Newest {
		ending.Edits = append(ending.Edits, Edit(one))
	}
}
