package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
)

// TestCrashForms kills processes of runs of all forms, and checks the results of each run. The
// processes execute this test, too. `make crash` shows its table; without DMAP_CRASH_KILLS it tries
// a few forms, or all of them once in `make long`.
func TestCrashForms(t *testing.T) {
	if job := os.Getenv(crashEnv); job != "" {
		runFormJob(t, job)
		return
	}
	t.Parallel()
	forms, places := crashForms(), crashPlaces(t)
	seed := setting(t, "DMAP_CRASH_SEED", rand.Uint64())
	t.Logf("DMAP_CRASH_SEED=%d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	dice.Shuffle(len(forms), func(i, j int) { forms[i], forms[j] = forms[j], forms[i] })
	if only := os.Getenv("DMAP_CRASH_FORM"); only != "" {
		forms = matchingForms(forms, only)
		require.NotEmpty(t, forms, "DMAP_CRASH_FORM")
	}
	kills := int(setting(t, "DMAP_CRASH_KILLS", uint64(repetitions(1, 2, len(forms)*len(places)))))
	if kills < len(places)*2 {
		places = places[dice.IntN(len(places)):][:1]
	}
	n := int(setting(t, "DMAP_CRASH_ITEMS", uint64(repetitions(2000, 2000, 10_000))))
	size, timed := repetitions(2, 2, 56)<<20, false
	if os.Getenv("DMAP_CRASH_KILLS") != "" {
		size, timed = 56<<20, true // large enough for splits, and no other tests run
	}
	programmes := make([]*crashProgramme, len(places))
	t.Run("on", func(t *testing.T) {
		for i, p := range places {
			programme := &crashProgramme{
				place: p, n: n, size: size, timed: timed, kills: (kills + len(places) - 1) / len(places),
				dice: rand.New(rand.NewPCG(seed, uint64(i+1))), written: map[string]bool{},
			}
			programmes[i] = programme
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				programme.t = t
				programme.run(forms)
			})
		}
	})
	t.Log("\n" + crashTable(programmes))
}

// matchingForms returns the forms whose names contain text.
func matchingForms(forms []crashForm, text string) (some []crashForm) {
	for _, f := range forms {
		if strings.Contains(f.String(), text) {
			some = append(some, f)
		}
	}
	return some
}

// crashProgramme is the crash programme on one store.
type crashProgramme struct {
	t       *testing.T
	place   crashPlace
	n, size int
	timed   bool // processes get their full time, and fail the test if they are slow
	kills   int  // wanted
	dice    *rand.Rand
	written map[string]bool // inputs, by prefix
	rows    []*formFigures  // in the order of their first runs
}

// run runs one form after the other until enough processes have been killed. A form that has failed
// is not tried again.
func (p *crashProgramme) run(forms []crashForm) {
	each := min(max(1, p.kills/len(forms)), 5)
	for i := range forms {
		p.rows = append(p.rows, &formFigures{form: forms[i], timed: p.timed})
	}
	for runs, failed := 0, 0; p.killed() < p.kills && failed < len(forms); runs++ {
		row := p.rows[runs%len(forms)]
		if len(row.wrong) > 0 {
			failed++
			continue
		}
		failed = 0
		p.formRun(row, fmt.Sprintf("form-%d", runs), min(each, p.kills-p.killed()))
		for _, wrong := range row.wrong {
			p.t.Errorf("%s: %s", row.form, wrong)
		}
	}
}

func (p *crashProgramme) killed() (n int) {
	for _, row := range p.rows {
		n += row.kills
	}
	return n
}

// formRun drives one run of a form to its end. Up to planned of its processes are killed.
func (p *crashProgramme) formRun(row *formFigures, runID string, planned int) {
	f := row.form
	age, whole := killedAge, 3*time.Second
	if !p.timed {
		age, whole = time.Second, time.Second
	}
	if f.Kills == eachLife {
		whole = time.Duration(planned+1) * age
	}
	n := f.items(p.n)
	job := formJob{
		Form: f, Place: p.place.url, N: n, Size: p.size, RunID: runID, Call: f.callTime(n, whole),
		CommitEvery: time.Duration(5+p.dice.IntN(100)) * time.Millisecond, Log: filepath.Join(p.t.TempDir(), "log"),
	}
	if f.Twist == waiting {
		job.Waits = 700 * time.Millisecond
	}
	if in := job.input(); !p.written[in.prefix()] {
		in.write(p.t, p.place.bucket)
		p.written[in.prefix()] = true
	}
	row.runs++
	var lives []formLife
	stops := 0
	for ; len(lives) < 60; job.Process++ {
		job.Concurrency = slices.Max(f.Limits)
		var plan endPlan
		if planned > 0 && stops < 10 {
			plan = f.plan(p.dice, age)
			job.Concurrency = f.Limits[job.Process%len(f.Limits)]
		}
		l := p.live(job, plan)
		lives = append(lives, l)
		switch {
		case l.killed:
			row.kills++
			planned--
		case l.code == exitFailed && f.Twist == redriven, l.code == exitSuperseded:
			stops++
		case (l.code == exitOpen || l.code == -1) && plan.stop > 0: // -1: before it listened to signals
			stops++
		case l.code != 0:
			row.report("%+v ended with code %d: %s", job, l.code, lastLines(l.output))
			p.measure(row, job, lives)
			return
		default:
			p.judge(row, job)
			p.measure(row, job, lives)
			return
		}
	}
	row.report("%+v does not end", job)
	p.measure(row, job, lives)
}

// Exit codes of dmap.ExitCode.
const (
	exitOpen       = 75
	exitSuperseded = 76
)

// lastLines returns the end of what a process printed.
func lastLines(text string) string {
	if len(text) > 2000 {
		text = "…" + text[len(text)-2000:]
	}
	return text
}

// formLife is what the parent saw of one process.
type formLife struct {
	age       time.Duration // at its end
	firstCall time.Duration // age at the first call; 0: it made none
	killed    bool
	code      int // if it was not killed
	output    string
}

// live runs one process until its end.
func (p *crashProgramme) live(job formJob, plan endPlan) (l formLife) {
	child := startChild(p.t, "TestCrashForms", job)
	start := child.started
	if plan.age > 0 {
		defer time.AfterFunc(time.Until(start.Add(plan.age)), child.kill).Stop()
	}
	if plan.stop > 0 {
		how := os.Interrupt
		if plan.suspend {
			how = syscall.SIGTERM
		}
		defer time.AfterFunc(plan.stop, func() { _ = child.cmd.Process.Signal(how) }).Stop() // it may have ended
	}
	steps := 0
	child.onStep = func(int) {
		if child.step == "calls 1" {
			l.firstCall = time.Since(start)
		}
		if plan.nth > 0 && strings.HasPrefix(child.step, plan.step) {
			if steps++; steps == plan.nth {
				child.kill()
			}
		}
	}
	l.code, l.killed, l.output = child.wait()
	l.age = time.Since(start)
	return l
}

// judge checks the results of a run that has succeeded.
func (p *crashProgramme) judge(row *formFigures, job formJob) {
	redrive := 0
	for ; ; redrive++ {
		there, err := p.place.bucket.Exists(p.t.Context(), fmt.Sprintf("runs/%s/manifest-%03d.json", job.RunID, redrive+1))
		require.NoError(p.t, err)
		if !there {
			break
		}
	}
	if job.Form.Twist == redriven && redrive != 3 {
		row.report("%+v: %d redrives instead of 3", job, redrive)
	}
	v := checkManifest(p.t, p.place.bucket, job.RunID, redrive, job.N, job.Form.unlucky)
	row.lost += v.lost
	row.doubled += v.doubled
	if !v.clean() {
		row.report("%+v: %d items lost, %d doubled, %s", job, v.lost, v.doubled, strings.Join(v.wrong, "; "))
	}
}

// measure adds the figures of the processes and the journal of a run to row.
func (p *crashProgramme) measure(row *formFigures, job formJob, lives []formLife) {
	r := readLog(p.t, job.Log, 0)
	row.again += r.again
	row.allowed += r.allowed
	if r.again > r.allowed {
		row.report("%+v: %d items ran again, at most %d may", job, r.again, r.allowed)
	}
	committed := false
	for process, l := range lives {
		if committed = committed || r.commits[process] > 0; l.killed && !committed {
			row.early++
		}
		row.addLife(process, l, process > 0 && lives[process-1].killed, r)
	}
	commits := p.place.bucket.List(&blob.ListOptions{Prefix: "runs/" + job.RunID + "/commits/"})
	var journal int64
	for {
		o, err := commits.Next(p.t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(p.t, err)
		row.record = max(row.record, o.Size)
		journal += o.Size
	}
	row.journal = max(row.journal, journal)
}
