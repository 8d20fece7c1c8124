//go:build unix

package dmaptemporal_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const leaseActivity = "dmap/lease"

// event is what a process has noted.
type event struct {
	at       time.Time
	process  string
	what     string // begins, coordinates, start, end, commit, calls, dies
	activity string // of start and end; "lane" and "root" of a commit
	lease    int64
	attempt  int
	n        int // the most calls at once; 1 at the end of a lease with an error; record of a commit
}

// attempt names an attempt at a lease.
type attempt struct {
	lease  int64
	number int
}

func (e event) ref() attempt { return attempt{e.lease, e.attempt} }

// eventLog reads the file of events while processes append to it.
type eventLog struct {
	name   string
	offset int64
	events []event
}

func (l *eventLog) read(t *testing.T) {
	t.Helper()
	file, err := os.Open(l.name)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	_, err = file.Seek(l.offset, io.SeekStart)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	l.offset += int64(len(content))
	for line := range bytes.Lines(content) {
		var e event
		var at int64
		_, err := fmt.Sscanf(string(line), "%d %s %s %s %d %d %d", &at, &e.process, &e.what, &e.activity, &e.lease, &e.attempt, &e.n)
		require.NoError(t, err, string(line))
		e.at = time.Unix(0, at)
		l.events = append(l.events, e)
	}
	slices.SortStableFunc(l.events, func(a, b event) int { return a.at.Compare(b.at) })
}

func (l *eventLog) tail(n int) string {
	var out strings.Builder
	for _, e := range l.events[max(0, len(l.events)-n):] {
		fmt.Fprintf(&out, "%s %s %s %s %d-%d %d\n", e.at.Format("15:04:05.000"), e.process, e.what, e.activity, e.lease, e.attempt, e.n)
	}
	return out.String()
}

// first returns the first event from a time on that fits.
func (l *eventLog) first(from time.Time, fits func(event) bool) (event, bool) {
	for _, e := range l.events {
		if !e.at.Before(from) && fits(e) {
			return e, true
		}
	}
	return event{}, false
}

// last returns the last event of a kind.
func (l *eventLog) last(what string) (found event) {
	for _, e := range l.events {
		if e.what == what {
			found = e
		}
	}
	return found
}

// peaks are the most calls at once of each process.
func (l *eventLog) peaks() map[string]int {
	most := map[string]int{}
	for _, e := range l.events {
		if e.what == "calls" {
			most[e.process] = max(most[e.process], e.n)
		}
	}
	return most
}

// stall is the longest time between two commits of results, within a time.
func (l *eventLog) stall(from, to time.Time) (longest time.Duration) {
	last := from
	for _, e := range l.events {
		if e.what == "commit" && e.n > 0 && e.at.After(from) && e.at.Before(to) {
			longest, last = max(longest, e.at.Sub(last)), e.at
		}
	}
	return max(longest, to.Sub(last))
}

// life is an attempt at a lease, as its events tell.
type life struct {
	attempt
	process string
	began   time.Time
	ended   time.Time // zero: nothing is known of its end
	commits []time.Time
}

// lives are all attempts so far, in the order of their beginnings. The Map of one machine has one.
func (l *eventLog) lives() []*life {
	found, all := map[string]*life{}, []*life(nil)
	for _, e := range l.events {
		key := fmt.Sprint(e.process, e.lease, e.attempt)
		v := found[key]
		switch {
		case v == nil && (e.what == "start" && e.activity == leaseActivity || e.activity == "root"):
			v = &life{attempt: e.ref(), process: e.process, began: e.at}
			found[key], all = v, append(all, v)
		case v != nil && e.what == "end" && e.activity == leaseActivity:
			v.ended = e.at
		}
		if v != nil && e.what == "commit" {
			v.commits = append(v.commits, e.at)
		}
	}
	return all
}

// again is the time for which an attempt has made calls that count no more, at most: from its last
// commit but one on, because the calls of a window may begin before the commit of the one before is
// written.
func (v *life) again(until time.Time) time.Duration {
	from := v.began
	if n := len(v.commits); n > 1 {
		from = v.commits[n-2]
	}
	return max(0, until.Sub(from))
}
