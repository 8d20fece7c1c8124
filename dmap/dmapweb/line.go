package dmapweb

import (
	"time"

	"github.com/go-dmap/dmap/internal/watch"
)

// line is a run in the list of runs: all its redrives are one line.
type line struct {
	Key      string       `json:"key"`
	RunID    string       `json:"runId"`
	Live     bool         `json:"live"`
	Status   watch.Status `json:"status"`
	Tone     watch.Tone   `json:"tone"`
	Text     string       `json:"text"`
	Begun    time.Time    `json:"begun,omitzero"`
	Ended    time.Time    `json:"ended,omitzero"`
	Items    int64        `json:"items"` // read
	Failed   int64        `json:"failed"`
	Share    float64      `json:"share"` // settled, 0 to 1; 0: not known
	Redrives int          `json:"redrives,omitempty"`
	Source   string       `json:"source,omitempty"`
	Error    string       `json:"error,omitempty"` // the run could not be read
}

func lineOf(s *watch.Snapshot) line {
	return line{
		Key: s.Key, RunID: s.RunID, Live: s.Live, Status: s.Verdict.Status, Tone: s.Verdict.Tone, Text: s.Verdict.Text,
		Begun: s.Begun, Ended: s.Ended, Items: s.Stats.Read, Failed: s.Stats.Failed, Share: s.Progress.Share,
		Redrives: s.Stats.Redrives, Source: s.Source,
	}
}
