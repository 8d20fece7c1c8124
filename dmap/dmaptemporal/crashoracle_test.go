//go:build unix

package dmaptemporal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/sink/results"
)

// crashManifest has the checked fields of a manifest.
type crashManifest struct {
	RunID, Status string
	ResultFiles   map[string][]crashPart
	Stats         struct{ Read, Succeeded, Failed, Skipped, Pending int64 }
	Unread        map[string]any
	Lost          []any
}

type crashPart struct {
	Key           string
	Size, Records int
	SHA256        string
}

// crashVerdict is what the manifest, and the parts that it names, say about a run. Nothing else is
// read.
type crashVerdict struct {
	lost, doubled int
	wrong         []string // other errors, the first 10
	manifest      crashManifest
	named         map[string]bool // parts
}

func (v *crashVerdict) report(format string, args ...any) {
	if len(v.wrong) < 10 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

func (v *crashVerdict) clean() bool { return v.lost == 0 && v.doubled == 0 && len(v.wrong) == 0 }

// judge checks a run that has succeeded over the numbers of a job.
func judge(t *testing.T, b *blob.Bucket, job crashJob) (v crashVerdict) {
	t.Helper()
	content, err := b.ReadAll(t.Context(), job.manifest())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &v.manifest))
	m := v.manifest
	if m.Status != "SUCCEEDED" || m.RunID != job.RunID || len(m.Lost) > 0 || len(m.Unread) > 0 {
		v.report("manifest: status %s, run %s, lost %v, unread %v", m.Status, m.RunID, m.Lost, m.Unread)
	}
	v.named = map[string]bool{}
	seen, records := make([]uint8, job.Items), map[string]int64{}
	for kind, parts := range m.ResultFiles {
		for _, p := range parts {
			if v.named[p.Key] {
				v.report("%s is named twice", p.Key)
			}
			v.named[p.Key] = true
			records[kind] += int64(v.part(t, b, kind, p, seen))
		}
	}
	for _, n := range seen {
		switch {
		case n == 0:
			v.lost++
		case n > 1:
			v.doubled += int(n) - 1
		}
	}
	s := m.Stats
	if s.Read != int64(job.Items) || s.Succeeded != records["SUCCEEDED"] || s.Failed != records["FAILED"] || s.Pending+s.Skipped != 0 || s.Read != s.Succeeded+s.Failed {
		v.report("counts %+v, and the parts have %v", s, records)
	}
	return v
}

// part checks a part, and counts its items.
func (v *crashVerdict) part(t *testing.T, b *blob.Bucket, kind string, p crashPart, seen []uint8) (records int) {
	t.Helper()
	content, err := b.ReadAll(t.Context(), p.Key)
	if err != nil {
		v.report("%s: %v", p.Key, err)
		return 0
	}
	if sum := sha256.Sum256(content); len(content) != p.Size || hex.EncodeToString(sum[:]) != p.SHA256 {
		v.report("%s: %d bytes with SHA-256 %x, the manifest says %d and %s", p.Key, len(content), sum, p.Size, p.SHA256)
	}
	for line := range bytes.Lines(content) {
		records++
		n, ok := numberOf(kind, line)
		if !ok || n < 0 || n >= len(seen) {
			v.report("%s record is wrong: %s", kind, line)
			continue
		}
		seen[n] = min(seen[n], 250) + 1
	}
	if records != p.Records {
		v.report("%s: %d records, the manifest says %d", p.Key, records, p.Records)
	}
	return records
}

// numberOf is the item of a record; ok is false if its outcome is wrong.
func numberOf(kind string, line []byte) (n int, ok bool) {
	var r struct {
		Input  *number
		Output *squared
		Error  string
	}
	if json.Unmarshal(line, &r) != nil {
		return 0, false
	}
	switch {
	case kind == "SUCCEEDED" && r.Output != nil:
		return r.Output.N, r.Output.Square == r.Output.N*r.Output.N && !unlucky(r.Output.N)
	case kind == "FAILED" && r.Input != nil:
		return r.Input.N, unlucky(r.Input.N) && strings.Contains(r.Error, errUnlucky.Error())
	}
	return 0, false
}

// requireGarbageIgnored overwrites the parts that no manifest names with wrong records, and reads
// the results as a user does.
func (c *crashRun) requireGarbageIgnored(v crashVerdict) {
	b, garbage := c.p.bucket, 0
	objects := b.List(&blob.ListOptions{Prefix: "runs/" + c.job.RunID + "/"})
	for {
		o, err := objects.Next(c.t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(c.t, err)
		if part := strings.Contains(o.Key, "/SUCCEEDED_") || strings.Contains(o.Key, "/FAILED_"); part && !v.named[o.Key] {
			garbage++
			require.NoError(c.t, b.WriteAll(c.t.Context(), o.Key, []byte("{\"id\":\"garbage\",\"output\":{\"N\":2,\"Square\":5}}\n"), nil))
		}
	}
	run, err := results.Load(c.t.Context(), b, "runs/", c.job.RunID)
	require.NoError(c.t, err)
	n := int64(0)
	for r, err := range results.Successes[squared](c.t.Context(), b, run) {
		require.NoError(c.t, err)
		require.Equal(c.t, r.Output.N*r.Output.N, r.Output.Square)
		n++
	}
	require.Equal(c.t, v.manifest.Stats.Succeeded, n)
	c.t.Logf("%d parts are not in the manifest: overwritten, and read by nobody", garbage)
}

// compareAgain compares the items that ran again with their bound: for each time that a process was
// lost, the most calls that it made at once, times the calls that fit into the time since the last
// commit but one of its leases, and one. Leases of a process use the slots of each other.
func (c *crashRun) compareAgain() string {
	calls, again := 0, 0
	for i, n := range openCalls(c.t, filepath.Join(c.dir, "calls"), c.job.Items) {
		k := int(atomic.LoadUint32(&n))
		if k == 0 {
			require.Fail(c.t, "an item was not called", "%d", i)
		}
		calls += k
		if again += k - 1; c.job.Ends > 0 && c.job.fails(i) { // the redrive has called it
			again--
		}
	}
	lost, windows := 0, map[loss]time.Duration{}
	lives, peaks := c.log.lives(), c.log.peaks()
	for i, v := range lives {
		until, gone := c.lostAt(lives[i+1:], v)
		if !gone {
			continue
		}
		at := c.lossOf(v)
		windows[at] = max(windows[at], v.again(until))
		lost++
	}
	allowed, longest := 0, time.Duration(0)
	for at, window := range windows {
		longest = max(longest, window)
		allowed += peaks[at.process] * (1 + int(window/c.job.Pace))
	}
	require.LessOrEqual(c.t, again, allowed, "items that ran again")
	return fmt.Sprintf("0 lost, 0 doubled; %d calls, %d items ran again, at most %d by %d lost attempts (%.1f s of calls each, at most)",
		calls, again, allowed, lost, longest.Seconds())
}

// loss is a time at which a process was lost: it was killed, or stopped for a while. A lease that
// is lost for another reason, as it did not reach the server, is a loss of its own.
type loss struct {
	process string
	stop    int // number of it
	lease   attempt
}

func (c *crashRun) lossOf(v *life) loss {
	if died := c.killed[v.process]; !died.IsZero() && (v.ended.IsZero() || v.ended.After(died)) {
		return loss{process: v.process}
	}
	for i, s := range c.stopped[v.process] {
		if v.began.Before(s.from) && (v.ended.IsZero() || s.from.Before(v.ended)) {
			return loss{process: v.process, stop: i + 1}
		}
	}
	return loss{process: v.process, lease: v.attempt}
}

// lostAt returns until when an attempt made calls, if another one was begun before it ended, or its
// process died.
func (c *crashRun) lostAt(later []*life, v *life) (until time.Time, lost bool) {
	if died := c.killed[v.process]; !died.IsZero() && (v.ended.IsZero() || v.ended.After(died)) {
		return died, true
	}
	for _, next := range later {
		if next.lease == v.lease && next.number > v.number && (v.ended.IsZero() || v.ended.After(next.began)) {
			if until = v.ended; until.IsZero() {
				until = time.Now()
			}
			for _, s := range c.stopped[v.process] { // without calls
				if v.began.Before(s.from) && s.to.Before(until) {
					until = until.Add(-s.to.Sub(s.from))
				}
			}
			return until, true
		}
	}
	return until, false
}
