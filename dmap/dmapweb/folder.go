package dmapweb

import (
	"github.com/go-dmap/dmap/internal/watch"
	"github.com/go-dmap/dmap/sink/results"
)

// folder is what a run has in the bucket.
type folder struct {
	Manifest string       `json:"manifest,omitempty"` // key; empty: the run is open
	Parts    []storedPart `json:"parts"`
	Omitted  int          `json:"omitted,omitempty"` // parts that are not listed
	Bytes    int64        `json:"bytes"`             // of all parts
	Records  int64        `json:"records"`
	Broken   []broken     `json:"broken,omitempty"` // objects that broke off
	Lost     int64        `json:"lost,omitempty"`   // records that could not be written
	Library  string       `json:"library,omitempty"`
}

type storedPart struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"`
	Bytes   int64  `json:"bytes"`
	Records int64  `json:"records"`
}

type broken struct {
	Key    string `json:"key"`
	Offset int64  `json:"offset"`
	Error  string `json:"error"`
}

// maxListed bounds lists in answers.
const maxListed = 100

func (s *stored) folder(run *results.Run) *folder {
	f := &folder{Parts: []storedPart{}, Library: run.Library}
	if run.Status != results.Open {
		f.Manifest = manifestKey(s.prefix, run.RunID, run.Redrive)
	}
	for _, kind := range []struct {
		name  string
		parts []results.Part
	}{{"SUCCEEDED", run.SucceededParts}, {"FAILED", run.FailedParts}, {"PENDING", run.PendingParts}, {"HELD", run.HeldParts}} {
		for _, p := range kind.parts {
			f.Bytes += p.Size
			f.Records += p.Records
			if len(f.Parts) == maxListed {
				f.Omitted++
				continue
			}
			f.Parts = append(f.Parts, storedPart{p.Key, kind.name, p.Size, p.Records})
		}
	}
	redact := s.redact(run.RunID)
	for _, b := range run.Broken {
		key, _, text := watch.Hidden(redact, b.Key, "", b.Error)
		f.Broken = append(f.Broken, broken{key, b.Offset, text})
	}
	for _, l := range run.Lost {
		f.Lost += l.Records
	}
	return f
}
