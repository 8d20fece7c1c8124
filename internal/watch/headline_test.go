package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheHeadlineSaysStateShareEndAndReason(t *testing.T) {
	now := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	s := Snapshot{
		Live: true, Verdict: Verdict{Status: StatusRunning, Text: "Running."}, Progress: Progress{Total: 100, Share: 0.62},
		ETA:    ETA{Known: true, About: now.Add(32 * time.Minute), Early: now.Add(28 * time.Minute), Late: now.Add(41 * time.Minute), Left: 1920},
		Slowed: []string{"The function: all 10 calls are in use."},
	}
	require.Equal(t, "Running, 62 %, done about 14:32 (14:28 to 14:41). The function: all 10 calls are in use.", s.Headline(now))
	s.Live = false
	s.Verdict = Verdict{Status: StatusSucceeded, Text: "Succeeded."}
	s.Slowed = nil
	require.Equal(t, "Succeeded.", s.Headline(now))
}
