package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

// verdict is the result of checkManifest. It is based on the manifest and on the parts that it
// names, and on nothing else.
type verdict struct {
	lost, doubled int
	wrong         []string // other errors, the first 10

	fails func(n int) bool // which numbers fail

	unindexed bool // items failed, and the manifest names no groups of them
}

func (v *verdict) report(format string, args ...any) {
	if len(v.wrong) < 10 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

func (v *verdict) clean() bool {
	return v.lost == 0 && v.doubled == 0 && len(v.wrong) == 0 && !v.unindexed
}

// crashRecord holds the checked fields of a record.
type crashRecord struct {
	ID     string
	Input  *number
	Output *squared
	Error  string
}

// checkRun checks a run that has succeeded over the numbers below n.
func checkRun(t *testing.T, b *blob.Bucket, runID string, n int) verdict {
	t.Helper()
	return checkManifest(t, b, runID, 0, n, fails)
}

// checkManifest checks a run over the numbers below n that has succeeded, with a redrive unless
// that is 0.
func checkManifest(t *testing.T, b *blob.Bucket, runID string, redrive, n int, fails func(n int) bool) verdict {
	t.Helper()
	v := verdict{fails: fails}
	var m manifest
	require.NoError(t, json.Unmarshal([]byte(read(t, b, fmt.Sprintf("runs/%s/manifest-%03d.json", runID, redrive))), &m))
	if m.Status != "SUCCEEDED" || m.RunID != runID || len(m.Lost) > 0 || len(m.Unread) > 0 {
		v.report("manifest: status %s, run %s, lost %v, unread %v", m.Status, m.RunID, m.Lost, m.Unread)
	}
	times, ids, named := make([]int, n), map[string]bool{}, map[string]bool{}
	records := map[string]int64{}
	for kind, parts := range m.ResultFiles {
		for _, p := range parts {
			if named[p.Key] {
				v.report("%s is named twice", p.Key)
			}
			named[p.Key] = true
			content, err := b.ReadAll(t.Context(), p.Key)
			if err != nil {
				v.report("%s: %v", p.Key, err)
				continue
			}
			sum := sha256.Sum256(content)
			if len(content) != p.Size || hex.EncodeToString(sum[:]) != p.SHA256 {
				v.report("%s: %d bytes with SHA-256 %x, the manifest says %d and %s", p.Key, len(content), sum, p.Size, p.SHA256)
			}
			lines := bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
			if len(lines) != p.Records {
				v.report("%s: %d records, the manifest says %d", p.Key, len(lines), p.Records)
			}
			records[kind] += int64(len(lines))
			for _, line := range lines {
				v.record(kind, line, times, ids)
			}
		}
	}
	v.counts(m, records, times)
	v.groups(t, b, m)
	return v
}

// groups checks that the groups of failures are those of the FAILED records.
func (v *verdict) groups(t *testing.T, b *blob.Bucket, m manifest) {
	sum := int64(0)
	if v.unindexed = m.Groups == nil && m.Stats.Failed > 0; v.unindexed {
		return
	}
	if m.Groups != nil {
		content, err := b.ReadAll(t.Context(), m.Groups.Key)
		if err != nil {
			v.report("%s: %v", m.Groups.Key, err)
			return
		}
		for line := range bytes.Lines(content) {
			var g struct {
				ID    string
				Count int64
			}
			if err := json.Unmarshal(line, &g); err != nil {
				v.report("%s: %v: %s", m.Groups.Key, err, line)
			}
			sum += g.Count
		}
	}
	if sum != m.Stats.Failed {
		v.report("groups of %d failures, the manifest says %d", sum, m.Stats.Failed)
	}
}

// record checks and counts one record.
func (v *verdict) record(kind string, line []byte, times []int, ids map[string]bool) {
	var r crashRecord
	if err := json.Unmarshal(line, &r); err != nil {
		v.report("%s: %v: %s", kind, err, line)
		return
	}
	if ids[r.ID] {
		v.report("ID %s has two records", r.ID)
	}
	ids[r.ID] = true
	n := -1
	switch {
	case kind == "SUCCEEDED" && r.Output != nil && r.Output.Square == r.Output.N*r.Output.N && !v.fails(r.Output.N):
		n = r.Output.N
	case kind == "FAILED" && r.Input != nil && v.fails(r.Input.N) && strings.Contains(r.Error, errUnlucky.Error()):
		n = r.Input.N
	}
	if n < 0 || n >= len(times) || skips(n) {
		v.report("%s record is wrong: %s", kind, line)
		return
	}
	times[n]++
}

// counts compares the records with the expected ones, and with the counts of the manifest.
func (v *verdict) counts(m manifest, records map[string]int64, times []int) {
	var skipped int64
	for n, k := range times {
		switch {
		case skips(n):
			skipped++
		case k == 0:
			v.lost++
		default:
			v.doubled += k - 1
		}
	}
	s := m.Stats
	if s.Read != s.Succeeded+s.Failed+s.Skipped+s.Pending {
		v.report("the counts do not add up: %+v", s)
	}
	if s.Succeeded != records["SUCCEEDED"] || s.Failed != records["FAILED"] || s.Pending != 0 || records["PENDING"] != 0 ||
		s.Skipped != skipped || s.Read != int64(len(times)) {
		v.report("counts %+v, but the parts hold %v and %d of %d were to be skipped", s, records, skipped, len(times))
	}
}

// reruns counts the repeated work of the processes of a run.
type reruns struct {
	again int // calls of items that an earlier process had called, and that were not waiting for a retry
	// allowed counts the items that killed processes called after their last committed barrier, and
	// the items in flight at that barrier.
	allowed int
	calls   map[int]int // items called, by process
	commits map[int]int // commits that settle items, by process
}

// readLog computes reruns from the log of a run. inFlight is the maximum number of items in flight
// of a process that does not note its own.
func readLog(t *testing.T, name string, inFlight int) (r reruns) {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	caller := map[int]int{} // the last process that called the item
	// Items called by a process since its last barrier, and since the barrier of its last commit.
	sinceBarrier, sinceCommit := 0, map[int]int{}
	most := map[int]int{} // items in flight, of processes that note it
	process := -1
	r.calls, r.commits = map[int]int{}, map[int]int{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		p, err := strconv.Atoi(fields[0])
		require.NoError(t, err)
		if p != process {
			process, sinceBarrier, sinceCommit[p] = p, 0, 0
		}
		switch fields[1] {
		case "begin":
			most[p], err = strconv.Atoi(fields[2])
			require.NoError(t, err)
		case "barrier":
			sinceBarrier = 0
		case "commit":
			sinceCommit[p] = sinceBarrier
			if fields[4] != "0" {
				r.commits[p]++
			}
		case "call":
			if fields[2] == "waits" { // for a retry: the next call of these items repeats no work
				for _, field := range fields[3:] {
					n, err := strconv.Atoi(field)
					require.NoError(t, err)
					delete(caller, n)
				}
				continue
			}
			for _, field := range fields[2:] {
				n, err := strconv.Atoi(field)
				require.NoError(t, err)
				last, called := caller[n]
				caller[n] = p
				require.False(t, called && last == p, "process %d called %d twice", p, n)
				if called {
					r.again++
				}
				sinceBarrier++
				sinceCommit[p]++
				r.calls[p]++
			}
		}
	}
	require.NoError(t, lines.Err())
	for p, calls := range sinceCommit {
		if p != process {
			if own, noted := most[p]; noted {
				r.allowed += calls + own
			} else {
				r.allowed += calls + inFlight
			}
		}
	}
	return r
}
