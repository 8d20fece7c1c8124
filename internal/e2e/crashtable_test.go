package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// formFigures are the figures of the runs of a form on one store.
type formFigures struct {
	form           crashForm
	timed          bool // a process that is slow is wrong
	runs, kills    int
	lost, doubled  int
	early          int           // processes killed before the first commit of results of their run
	again, allowed int           // items run again, and the bound
	long           int           // lives of at least killedAge that were killed
	idle           int           // of these, lives without a call
	fewest         int           // items called in such a life
	uncommitted    int           // such lives without a commit that settles items
	firstCall      time.Duration // after a crash, the latest first call after the start of a process
	record         int64         // bytes of the largest commit record
	journal        int64         // bytes of all commit records of a run, the most
	wrong          []string
}

func (f *formFigures) report(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// firstCallWithin is the time within which a process must make its first call after a crash.
const firstCallWithin = 2 * time.Second

// addLife adds a process of a run. resumes says that the one before it was killed.
func (f *formFigures) addLife(process int, l formLife, resumes bool, r reruns) {
	slow := func(format string, args ...any) {
		if f.timed {
			f.report("process %d, which lived for %v, "+format, append([]any{process, l.age}, args...)...)
		}
	}
	if l.killed && l.age >= killedAge {
		if f.long == 0 || r.calls[process] < f.fewest {
			f.fewest = r.calls[process]
		}
		f.long++
		switch {
		case r.calls[process] == 0:
			f.idle++
			slow("made no call")
		case r.commits[process] == 0:
			f.uncommitted++
			slow("settled nothing")
		}
	}
	first := l.firstCall
	if first == 0 && l.killed {
		first = l.age // or later
	}
	if !resumes {
		return
	}
	f.firstCall = max(f.firstCall, first)
	if first >= firstCallWithin {
		slow("made its first call after %v", first)
	}
}

// add adds the figures of other.
func (f *formFigures) add(other *formFigures) {
	if other.long > 0 && (f.long == 0 || other.fewest < f.fewest) {
		f.fewest = other.fewest
	}
	f.runs += other.runs
	f.kills += other.kills
	f.lost += other.lost
	f.doubled += other.doubled
	f.early += other.early
	f.again += other.again
	f.allowed += other.allowed
	f.long += other.long
	f.idle += other.idle
	f.uncommitted += other.uncommitted
	f.firstCall = max(f.firstCall, other.firstCall)
	f.record = max(f.record, other.record)
	f.journal = max(f.journal, other.journal)
	f.wrong = append(f.wrong, other.wrong...)
}

// crashTable returns the figures of all forms and their sum.
func crashTable(programmes []*crashProgramme) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "store\tform\truns\tkills\tlost\tdoubled\trun again\tat most\tfewest items\tfirst call\tlargest commit\tjournal\t")
	sum := formFigures{}
	for _, p := range programmes {
		for _, row := range p.rows {
			if row.runs == 0 {
				continue
			}
			row.line(w, p.place.name, row.form.String())
			sum.add(row)
		}
	}
	sum.line(w, "all", "")
	_ = w.Flush() // to memory
	fmt.Fprintf(&text, "\nprocesses killed: %d, in %d runs; before the first commit of results: %d\n", sum.kills, sum.runs, sum.early)
	fmt.Fprintf(&text, "items lost: %d\nitems doubled: %d\n", sum.lost, sum.doubled)
	fmt.Fprintf(&text, "items run again: %d, at most %d are allowed\n", sum.again, sum.allowed)
	fmt.Fprintf(&text, "processes killed after at least %v: %d; without a call: %d; without a commit of results: %d\n", killedAge, sum.long, sum.idle, sum.uncommitted)
	fmt.Fprintf(&text, "longest time from the start of a process to its first call, after a crash: %v; allowed: %v\n", sum.firstCall.Round(time.Millisecond), firstCallWithin)
	fmt.Fprintf(&text, "largest commit record: %s; largest journal of a run: %s\n", kibibytes(sum.record), kibibytes(sum.journal))
	fmt.Fprintf(&text, "wrong: %d\n", len(sum.wrong))
	for _, wrong := range sum.wrong {
		fmt.Fprintf(&text, "  %.300s\n", wrong)
	}
	return text.String()
}

// line writes a row of the table.
func (f *formFigures) line(w *tabwriter.Writer, store, form string) {
	fewest := "-"
	if f.long > 0 {
		fewest = fmt.Sprint(f.fewest)
	}
	mark := ""
	if len(f.wrong) > 0 {
		mark = "WRONG"
	}
	_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%v\t%s\t%s\t%s\n", store, form, f.runs, f.kills, f.lost, f.doubled, f.again, f.allowed,
		fewest, f.firstCall.Round(time.Millisecond), kibibytes(f.record), kibibytes(f.journal), mark)
}

func kibibytes(n int64) string { return fmt.Sprintf("%.1f KiB", float64(n)/1024) }

// The first process of a run calls three items and commits two of them; the second calls one of
// these again, which it must not; the others call nothing.
func TestTheCrashProgrammeFindsWhatIsWrong(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(log, []byte(strings.Join([]string{
		"0 begin 1", "0 call 1", "0 call 2", "0 barrier", "0 commit 0 settles 1", "0 call 3",
		"1 begin 1", "1 commit 1 settles 0", "1 call 3", "1 call 1", "1 call waits 3",
		"2 begin 1", "2 commit 2 settles 0",
	}, "\n")), 0o600))
	r := readLog(t, log, 0)
	require.Equal(t, map[int]int{0: 3, 1: 2}, r.calls)
	require.Equal(t, map[int]int{0: 1}, r.commits)
	require.Equal(t, 2, r.again)
	require.Equal(t, 5, r.allowed, "1 and 2 calls after the last commits, and one item in flight each")

	f := formFigures{timed: true}
	for process, l := range []formLife{
		{age: 3 * time.Second, firstCall: 100 * time.Millisecond, killed: true},
		{age: 3 * time.Second, firstCall: 2100 * time.Millisecond, killed: true},
		{age: 2600 * time.Millisecond, killed: true},
		{age: 2400 * time.Millisecond, killed: true}, // the first call is later than this age
	} {
		f.addLife(process, l, process > 0, r)
	}
	require.Equal(t, []any{3, 1, 1, 0}, []any{f.long, f.idle, f.uncommitted, f.fewest})
	require.Equal(t, 2600*time.Millisecond, f.firstCall)
	require.Len(t, f.wrong, 5, "%q", f.wrong)
	f.lost, f.doubled = 7, 8
	require.Contains(t, crashTable([]*crashProgramme{{rows: []*formFigures{{runs: 1}, &f}}}), "wrong: 0")
	f.runs = 1
	table := crashTable([]*crashProgramme{{rows: []*formFigures{{runs: 1}, &f}}})
	for _, want := range []string{"items lost: 7", "items doubled: 8", "without a call: 1", "crash: 2.6s", "wrong: 5", "WRONG"} {
		require.Contains(t, table, want)
	}
}
