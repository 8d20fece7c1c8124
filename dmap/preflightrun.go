package dmap

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/go-dmap/dmap/internal/ownresults"
)

// preflightTime is the time that a Preflight takes at most, unless its context has a deadline.
const preflightTime = 10 * time.Second

// preflightItems bounds the items that are read to find one that is not skipped.
const preflightItems = 1000

// preflightRun is one call of Preflight.
type preflightRun struct {
	spec  RunSpec
	rules *errtext.Rules
	grace time.Duration // how long a part may ignore the end of its context

	mu     sync.Mutex // guards the fields below
	parts  map[string][]Check
	closed map[string]bool // the part has returned, or was abandoned
}

// preflight tries everything, each part on a goroutine of its own.
func preflight[T, R any](ctx context.Context, src Source[T], opts Options, wrong argumentErrors, limits batch.Limits, sinks []Sink[R]) (PreflightReport, error) {
	if ctx == nil { // wrong says so; all others are tried
		ctx = context.Background() //nolint:forbidigo // the caller has none
	}
	good := usable(sinks, wrong)
	p := &preflightRun{rules: textRules(opts, good), parts: map[string][]Check{}, closed: map[string]bool{}}
	if !runIDPattern.MatchString(opts.RunID) {
		opts.RunID = "" // so that sinks can be tried all the same; validate has reported it
	}
	p.spec = RunSpec{RunID: opts.withDefaults().RunID, Started: time.Now(), Options: opts, Batch: limits}
	if wrong.source == nil {
		p.spec.Source = sourceName(src)
	}
	total := preflightTime
	if deadline, ok := ctx.Deadline(); ok {
		total = max(0, time.Until(deadline))
	}
	p.grace = max(total/10*3, time.Second) // the division first: a deadline may be centuries away
	tries, cancel := context.WithTimeoutCause(ctx, total/10*7, errNoAnswer(total/10*7))
	defer cancel()
	names := []string{"call"}
	p.call(wrong, !slices.ContainsFunc(sinks, keepsJournal[R]))
	var parts sync.WaitGroup
	if wrong.source == nil {
		names = append(names, "source")
		plan, folders := PlanOf(src), ownresults.Collect(good)
		parts.Go(func() { p.source(tries, folders, plan.Try) })
	}
	for i, s := range sinks {
		name := fmt.Sprintf("sink %d", i)
		names = append(names, name)
		if wrong.sinks[i] == nil {
			parts.Go(func() { p.sink(tries, name, s) })
		}
	}
	parts.Wait()
	return p.report(names)
}

// errNoAnswer is the cause of the end of tries that take too long.
func errNoAnswer(limit time.Duration) error {
	return fmt.Errorf("no answer within %v: %w", limit.Round(time.Millisecond), context.DeadlineExceeded)
}

// usable returns the sinks with nothing wrong.
func usable[R any](sinks []Sink[R], wrong argumentErrors) (out []Sink[R]) {
	for i, s := range sinks {
		if wrong.sinks[i] == nil {
			out = append(out, s)
		}
	}
	return out
}

func keepsJournal[R any](s Sink[R]) bool {
	_, ok := s.(journalKeeper)
	return ok
}

// call reports the errors of the arguments.
func (p *preflightRun) call(wrong argumentErrors, noJournal bool) {
	if noJournal && p.spec.Options.Redrive.wanted() {
		wrong.options = errors.Join(wrong.options, errNoJournal)
	}
	p.arguments("options", wrong.options)
	p.arguments("function", wrong.function)
	p.arguments("source", wrong.source)
	for i, err := range wrong.sinks {
		p.arguments(fmt.Sprintf("sink %d", i), err)
	}
}

// arguments reports a check of arguments: a problem for each error that err joins.
func (p *preflightRun) arguments(op string, err error) {
	if err == nil {
		p.add("call", Check{Op: op})
		return
	}
	for _, one := range eachJoined(err) {
		p.add("call", Check{Op: op, Err: &callError{one}})
	}
}

// eachJoined returns the errors that err joins.
func eachJoined(err error) []error {
	all, ok := err.(interface{ Unwrap() []error }) // as errors.Join returns it
	if !ok || reflect.TypeOf(err) != joined {
		return []error{err}
	}
	var out []error
	for _, one := range all.Unwrap() {
		out = append(out, eachJoined(one)...)
	}
	return out
}

// source tries the source, which must not take the results of runs for items.
func (p *preflightRun) source(ctx context.Context, folders []ownresults.Folder, try func(context.Context, func(Check))) {
	if len(folders) > 0 {
		ctx = ownresults.With(ctx, &ownresults.Run{RunID: p.spec.RunID, Folders: folders, LeftOut: func(string) {}})
	}
	p.part(ctx, "source", func(report func(Check)) { try(ctx, report) })
}

// sink tries a sink, if it is a Preflighter.
func (p *preflightRun) sink(ctx context.Context, name string, s any) {
	own, ok := s.(Preflighter)
	if !ok {
		p.add(name, Check{Op: "write", NotTried: true, Found: fmt.Sprintf("%T has no method Preflight (dmap.Preflighter)", s)})
		return
	}
	p.part(ctx, name, func(report func(Check)) { own.Preflight(ctx, p.spec, report) })
}

// part runs try, which reports checks of the part until it returns or is abandoned.
func (p *preflightRun) part(ctx context.Context, name string, try func(report func(Check))) {
	began := time.Now()
	err := within(ctx, p.grace, "Preflight", func() error {
		try(func(c Check) { p.add(name, c) })
		return nil
	})
	if err != nil {
		p.add(name, Check{Op: "preflight", Err: err, Took: time.Since(began)})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed[name] = true
}

// add adds a check to a part that has not returned.
func (p *preflightRun) add(part string, c Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed[part] {
		return
	}
	c.Part = part
	p.parts[part] = append(p.parts[part], c)
}

// report returns the checks of the named parts in order, and their problems.
func (p *preflightRun) report(names []string) (PreflightReport, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := PreflightReport{RunID: p.spec.RunID, rules: p.rules}
	var problems []error
	for _, name := range names {
		r.Checks = append(r.Checks, p.parts[name]...)
	}
	for _, c := range r.Checks {
		if c.Err != nil {
			problems = append(problems, &PreflightError{Check: c, text: c.problem(p.rules)})
		}
	}
	return r, errors.Join(problems...)
}

// Try is what Preflight does with a source: it calls p.Preflight, or reads the first item if that
// is nil. A source that wraps others sets its Preflight to the Try of their Plans.
func (p Plan[T]) Try(ctx context.Context, report func(Check)) {
	if p.Preflight != nil {
		p.Preflight(ctx, report)
		return
	}
	began := time.Now()
	var key, found string
	err := isolated(func() (err error) { key, found, err = p.firstItem(ctx); return err })
	report(Check{Op: "read the first item", Key: key, Found: found, Err: fromOutside(err), Took: time.Since(began)})
}

// firstItem reads the first item that is not skipped. key is that of an item that cannot be read.
func (p Plan[T]) firstItem(ctx context.Context) (key, found string, err error) {
	ctx, cancel := context.WithCancel(ctx) // so that the source stops reading
	defer cancel()
	read := 0
	for s, err := range p.Splits(ctx) {
		if err != nil {
			return "", "", err
		}
		for item, err := range p.Read(ctx, s) {
			if err != nil {
				return "", "", err
			}
			read++
			switch {
			case item.Err == nil:
				return "", "it has items", nil
			case !skips(item.Err):
				return item.Key, "", fmt.Errorf("item %q: %w", item.ID(), &ReadError{item.Err})
			case read == preflightItems:
				return "", fmt.Sprintf("the first %d items are skipped", read), nil
			}
		}
	}
	if read > 0 {
		return "", fmt.Sprintf("all %d items are skipped", read), nil
	}
	return "", "it has no items", nil
}
