package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is a measured table: it is printed, saved as data and drawn.
type report struct {
	Table       string         `json:"table"`
	What        string         `json:"what"`
	Date        string         `json:"date"` // of the measurement
	Go          string         `json:"go"`
	Machine     string         `json:"machine"`
	N           int64          `json:"n"`
	Unit        string         `json:"unit"`
	Rounds      int            `json:"rounds"`
	Concurrency int            `json:"concurrency"`
	Varies      bool           `json:"varies,omitempty"` // cases set their own concurrency
	Batch       int            `json:"batch,omitempty"`
	Columns     []reportColumn `json:"columns"`
	Base        string         `json:"base"`
	Cases       []reportCase   `json:"cases"`
	Targets     []verdict      `json:"targets,omitempty"`
}

type reportColumn struct {
	Name   string `json:"name"`
	Digits int    `json:"digits"`
	More   bool   `json:"moreIsBetter,omitempty"`
}

type reportCase struct {
	Name    string     `json:"name"`
	Ours    bool       `json:"ours,omitempty"`
	Failure string     `json:"failure,omitempty"` // why there are no figures
	LeftOut bool       `json:"leftOut,omitempty"` // true if the case was never run
	Medians []float64  `json:"medians,omitempty"` // by column
	Ratio   float64    `json:"ratio,omitempty"`   // of the first column, to the base; 0: none
	Runs    []measured `json:"runs,omitempty"`    // by round
}

// verdict is a target and its result.
type verdict struct {
	Text string  `json:"text"`
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
	None string  `json:"none,omitempty"` // why there is no result
}

const notMeasured = "not measured"

func newReport(t table, work workload, all rounds) report {
	rep := report{
		Table: t.name, What: t.what, Date: time.Now().UTC().Format(time.DateOnly),
		Go: runtime.Version(), Machine: machine(),
		N: work.N, Unit: t.unitName(), Concurrency: work.Concurrency, Batch: work.Batch, Varies: t.varies, Base: t.cases[t.baseIndex()].name,
	}
	for _, f := range t.columns() {
		rep.Columns = append(rep.Columns, reportColumn{f.title(t.unitName()), f.digits, f.more})
	}
	for i, c := range t.cases {
		rep.Rounds = max(rep.Rounds, len(all.runs[i]))
		rc := reportCase{Name: c.name, Ours: c.ours, Failure: all.failures[i], LeftOut: c.isLeftOut(work.N)}
		if rc.Failure == "" {
			rc.Runs = all.runs[i]
			for _, f := range t.columns() {
				rc.Medians = append(rc.Medians, f.median(rc.Runs, work))
			}
			if base := t.baseIndex(); all.failures[base] == "" {
				rc.Ratio, _ = t.columns()[0].ratio(rc.Runs, all.runs[base], work)
			}
		}
		rep.Cases = append(rep.Cases, rc)
	}
	for _, o := range t.targets {
		rep.Targets = append(rep.Targets, o.judge(t, work, all))
	}
	return rep
}

// judge evaluates a target.
func (o target) judge(t table, work workload, all rounds) verdict {
	v := verdict{Text: o.text(t.unitName())}
	of, against := t.index(o.of), t.index(o.against)
	if work.N < o.from {
		v.None = fmt.Sprintf("not judged with fewer than %d", o.from)
		return v
	}
	if of < 0 || o.against != "" && against < 0 { // left out by -cases; tests check that targets name existing cases
		v.None = notMeasured
		return v
	}
	if all.failures[of] != "" || against >= 0 && all.failures[against] != "" {
		v.None = notMeasured
		return v
	}
	if against < 0 {
		v.Got = o.figure.median(all.runs[of], work)
	} else {
		got, ok := o.figure.ratio(all.runs[of], all.runs[against], work)
		v.Got = got
		if !ok {
			v.None = notMeasured
		}
	}
	v.Met = v.None == "" && (o.most == 0 || v.Got <= o.most) && v.Got >= o.least
	return v
}

func (o target) text(unit string) string {
	bound, number := "<=", o.most
	if o.most == 0 {
		bound, number = ">=", o.least
	}
	text := fmt.Sprintf("%s: %s %s %s", o.of, o.figure.title(unit), bound, short(number))
	if o.against != "" {
		text += "x of " + o.against
	}
	if o.note != "" {
		text += " (" + o.note + ")"
	}
	return text
}

// failedCases returns an error for each of our own cases that failed. A peer that fails is only
// printed.
func (r report) failedCases() error {
	var errs []error
	for _, c := range r.Cases {
		if c.Ours && c.Failure != "" && !c.LeftOut {
			errs = append(errs, fmt.Errorf("%s: %s: %s", r.Table, c.Name, c.Failure))
		}
	}
	return errors.Join(errs...)
}

// machine returns a description of the processor.
func machine() string {
	name := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		name = cmp.Or(cpuModel(string(info)), name)
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), name, runtime.GOOS)
}

// cpuModel parses the line "model name : ..." of /proc/cpuinfo.
func cpuModel(info string) string {
	_, rest, _ := strings.Cut(info, "model name")
	line, _, _ := strings.Cut(rest, "\n")
	_, name, _ := strings.Cut(line, ":")
	return strings.TrimSpace(name)
}
