package dmap

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-dmap/dmap/internal/fingerprint"
	"github.com/go-dmap/dmap/internal/journal"
)

// journalKeeper is a sink of this module that keeps the journal of a run, which makes the run
// durable.
type journalKeeper interface {
	// OpenJournal begins the run, or says how far it has come. A nil Log: the sink keeps no
	// journal. An Ending: the run has ended and nothing is left to do; then the Log only has to be
	// closed. Before it begins or continues a redrive it calls same with the progress. An error of
	// same forbids the redrive: OpenJournal returns it and has written nothing.
	OpenJournal(
		ctx context.Context, spec RunSpec, same func(context.Context, *journal.Progress) error,
	) (log journal.Log, progress journal.Progress, ended *Ending, err error)
}

// openJournal opens the journal of the first sink that keeps one. Without one the Log is nil. same
// compares the source before a redrive.
func openJournal[R any](ctx context.Context, s *sinkSet[R], spec RunSpec, same func(context.Context, *journal.Progress) error) (log journal.Log, p journal.Progress, ended *Ending, err error) {
	var differs error
	compare := func(ctx context.Context, p *journal.Progress) error {
		if differs = s.sameSinks(spec.RunID, p); differs == nil {
			differs = same(ctx, p)
		}
		return differs
	}
	for i, o := range s.list {
		keeper, ok := o.sink.(journalKeeper)
		if !ok {
			continue
		}
		err = isolated(func() (err error) { log, p, ended, err = keeper.OpenJournal(ctx, spec, compare); return err })
		switch {
		case differs != nil:
			return nil, p, nil, differs
		case err != nil:
			return nil, p, nil, &SinkError{Op: "open", Err: err}
		case log != nil:
			s.keeper, s.keeperAt = o, strconv.Itoa(i)
			if ended == nil {
				err = s.sameSinks(spec.RunID, &p)
			}
			return log, p, ended, err
		}
	}
	return nil, p, nil, nil
}

// durable makes settled items count, one commit window after the other: a barrier between
// deliveries, then the sinks make the results before it durable, then a record in the journal names
// them. Without a journal it does nothing.
type durable struct {
	log        journal.Log // nil: the run has no journal
	keeper     string      // position of the sink that keeps it
	clock      runClock
	every      time.Duration // Options.CommitEvery
	committers map[string]Committer
	fail       func(op string, err error) // reports a broken sink
	committed  func(number int64, n journal.Counts)

	uncommitted func() float64 // takes the units that were spent since the last record
	edits       edits
	tolerance   *atomic.Pointer[Tolerance] // of the run

	quarantine *quarantine // nil: no caution is needed

	ignored        []string                    // decisions without effect
	settledBefore  journal.IntervalSet         // by earlier processes
	prefixesBefore map[string]fingerprint.Mark // of sequences, by split
	takenBefore    int64                       // items that they took, for MaxItems
	elapsedBefore  time.Duration               // the time that they took

	barrier barrier
	// writing holds a token around each record: it guards number, broken and stored. It is no
	// Mutex: a goroutine that waits for one stops the clock of testing/synctest.
	writing chan struct{}
	number  int64      // of the next record
	broken  bool       // a record could not be written: no later one may follow
	stored  *Tolerance // that the records of this process say; nil: none does

	ignorance time.Duration // how long a sink may ignore the end of its context
	dead      atomic.Bool   // a sink was abandoned: no record is written any more

	mu        sync.Mutex // guards the fields below
	settled   journal.Buffer
	counts    journal.Counts // of settled
	barrierAt time.Duration  // since the start of this process
	prefixes  journal.Prefixes
}

// on reports whether the run has a journal.
func (d *durable) on() bool { return d.log != nil }

// resume sets the run up to continue after p. It appends a record first: a process that still runs
// is fenced by it.
func (d *durable) resume(ctx context.Context, p *journal.Progress, poisonAfter int) error {
	d.prefixes, d.prefixesBefore = p.Prefixes.Clone(), p.Prefixes.Marks()
	clean := p.Clean
	record := journal.Commit{Number: p.Number, Begins: true, Stuck: !p.Moved && !clean}
	p.Begin(&record, d.keeper)
	if err := d.write(ctx, record); err != nil {
		return &SinkError{Op: "append", Err: err}
	}
	p.Apply(record)
	if err := d.absorb(ctx, p); err != nil {
		return err
	}
	if err := d.release(ctx, p); err != nil {
		return err
	}
	d.number = p.Number
	d.settledBefore = journal.NewIntervalSet(p.Settled)
	d.takenBefore, d.elapsedBefore = p.Counts.Taken, p.Counts.Elapsed
	d.quarantine = newQuarantine(p.Trials, clean, poisonAfter, d)
	return nil
}

// delivered adds settled items, whose results have reached the sinks, to the window. The caller is
// inside the barrier.
func (d *durable) delivered(intervals []journal.Interval, counts journal.Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled.Add(intervals...)
	d.counts.Add(counts)
}

// readPrefix registers a prefix of a sequence whose end is settled. The caller is inside the
// barrier.
func (d *durable) readPrefix(p journal.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prefixes.Extend(p)
}

// run commits one window after the other until drained is closed.
func (d *durable) run(ctx context.Context, drained <-chan struct{}) {
	timer := time.NewTimer(d.window())
	defer timer.Stop()
	for {
		select {
		case <-drained:
			return
		case <-timer.C:
			if !d.commit(ctx, nil) {
				return
			}
			timer.Reset(d.window())
		}
	}
}

// window is how long the next commit window lasts. A thousandth of the time so far keeps the number
// of commits small in runs of days, and bounds the work that a crash repeats.
func (d *durable) window() time.Duration {
	usual := d.every
	if usual == 0 {
		usual = min(max(time.Second, d.clock.now()/1000), time.Minute)
	}
	return d.quarantine.window(usual)
}

// commit makes the window count. If that fails the run stops, and the items of the window run again
// when the run resumes. stop says that no call runs any more, and why the run stops.
func (d *durable) commit(ctx context.Context, stop *journal.Stop) bool {
	if !d.on() {
		return true
	}
	if d.dead.Load() {
		return false
	}
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	if d.broken {
		return false
	}
	record, any := d.closeWindow(stop != nil)
	record.Clean, record.Stop = stop != nil, stop
	if !any && stop == nil && record.Counts.Units == 0 && record.Edits.Count == 0 {
		return true
	}
	if any {
		if err := d.commitSinks(ctx, &record); err != nil {
			d.broken = true
			d.fail("commit", err)
			return false
		}
	}
	d.append(ctx, record)
	if any || stop != nil {
		d.quarantine.committed()
	}
	return !d.broken
}

// commitSinks has the committers make their results durable, and adds their states to the record.
func (d *durable) commitSinks(ctx context.Context, record *journal.Commit) error {
	record.States = make(map[string]json.RawMessage, len(d.committers))
	for at, c := range d.committers {
		state := new(json.RawMessage)
		err := within(ctx, d.ignorance, "Commit", func() (err error) { *state, err = c.Commit(ctx); return err })
		if err != nil {
			return err
		}
		record.States[at] = *state
	}
	return nil
}

// appendNext appends the record that build returns. build runs when no other record is being
// written.
func (d *durable) appendNext(ctx context.Context, build func() journal.Commit) {
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	d.append(ctx, build())
}

// append appends a record to the journal; writing is held.
func (d *durable) append(ctx context.Context, record journal.Commit) {
	if d.broken || d.dead.Load() {
		return
	}
	record.Number = d.number
	if err := d.write(ctx, record); err != nil {
		d.broken = true
		d.fail("append", err)
		return
	}
	d.committed(d.number, record.Counts)
	d.number++
}

// appendFinal appends the last record of a run that has ended: whoever writes it is the runner
// whose final record counts.
func (d *durable) appendFinal(ctx context.Context) error {
	if !d.on() || d.dead.Load() {
		return nil
	}
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	record := journal.Commit{Number: d.number, Clean: true, Edits: d.edits.take()}
	if err := d.write(ctx, record); err != nil {
		return &SinkError{Op: "append", Err: err}
	}
	d.number++
	return nil
}

// closeWindow ends the window and begins the next. any is false if nothing was settled in it: then
// the record has the edits and the units that were spent, and if it is the last one the calls and
// the time too.
func (d *durable) closeWindow(last bool) (record journal.Commit, any bool) {
	d.barrier.between(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		units := d.uncommitted()
		if any = !d.settled.Empty(); any {
			record = journal.Commit{Settled: d.settled.Take(), Prefixes: d.prefixes.All()}
		}
		if any || last {
			record.Counts, d.counts = d.counts, journal.Counts{}
			now := d.clock.now()
			record.Counts.Elapsed, d.barrierAt = now-d.barrierAt, now
		}
		if record.Counts.Units = units; !any {
			return
		}
		for _, c := range d.committers {
			c.Barrier()
		}
	})
	record.Edits = d.edits.take()
	return record, any
}

// write writes a record, with the tolerance of the run unless an earlier record of this process
// says it. writing is held, or nothing else writes.
func (d *durable) write(ctx context.Context, record journal.Commit) error {
	if now := *d.tolerance.Load(); d.stored == nil || *d.stored != now {
		d.stored = &now
		record.Tolerance = (*journal.Tolerance)(&now)
	}
	if err := within(ctx, d.ignorance, "Append", func() error { return d.log.Append(ctx, record) }); err != nil {
		return fmt.Errorf("commit %d: %w", record.Number, err)
	}
	return nil
}

// close lets another process resume the run.
func (d *durable) close() error {
	if !d.on() {
		return nil
	}
	if err := isolated(d.log.Close); err != nil {
		return &SinkError{Op: "close", Err: err}
	}
	return nil
}
