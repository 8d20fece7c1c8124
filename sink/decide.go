package sink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/internal/commits"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/listing"
	"github.com/go-dmap/dmap/internal/redrive"
	"github.com/go-dmap/dmap/internal/runfolder"
	"github.com/go-dmap/dmap/internal/scrub"
	"github.com/go-dmap/dmap/internal/transient"
)

const (
	// decisionsAtOnce is how many decisions are in memory at once: 20 MiB. The HELD parts are read
	// once for each half million.
	decisionsAtOnce = 500_000
	decisionReaders = 16 // objects that are read at once
	maxIgnored      = 10 // decisions without effect that are named
)

// decider finds the held items that people have decided about. It writes nothing that counts.
type decider[R any] struct {
	f        *BucketSink[R]
	run      *run
	progress *journal.Progress
	most     int // decisions in memory

	committed map[string]bool  // keys of the HELD parts that count
	held      []runfolder.Part // of the items that are still held
	sorter    *redrive.Sorter
	items     int64 // decided
	newest    time.Time
	ignored   []string
}

// KeepsHeld returns true.
func (l *runLog[R]) KeepsHeld() bool { return true }

// Decide looks for decisions about held items, and lists the decided ones for the commit with this
// number.
func (l *runLog[R]) Decide(ctx context.Context, p *journal.Progress, number int64) (journal.Decided, error) {
	return l.decide(ctx, p, number, decisionsAtOnce)
}

// decide is Decide with at most most decisions in memory.
func (l *runLog[R]) decide(ctx context.Context, p *journal.Progress, number int64, most int) (journal.Decided, error) {
	parts, err := runfolder.CommittedParts(l.run.folder, l.run.journal.log.State.Records())
	if err != nil {
		return journal.Decided{}, err
	}
	lists := &itemLists{l.f.bucket, l.run}
	d := &decider[R]{
		f: l.f, run: l.run, progress: p, most: most, committed: map[string]bool{}, held: parts.Held,
		sorter: &redrive.Sorter{Store: lists},
	}
	if p.Release != nil {
		d.newest = p.Release.Newest // a decision of it may be newer than all that this one finds
	}
	for _, part := range d.held {
		d.committed[part.Key] = true
	}
	out := journal.Decided{}
	if err := d.decideAll(ctx); err != nil {
		return out, err
	}
	if out.Ignored = d.ignored; d.items == 0 {
		return out, nil
	}
	if err := d.takeUnsettled(ctx); err != nil {
		return out, err
	}
	taken, err := lists.write(ctx, d.sorter)
	if err != nil {
		return out, err
	}
	out.Items, out.Release = d.items, commits.Release(&runfolder.Release{Number: number, Taken: taken, Newest: runfolder.Time(d.newest)})
	if p.Redrive != nil {
		out.Release.Redrive = p.Redrive.Number
	}
	out.State, err = encodeState(d.state())
	return out, err
}

// state drops the HELD parts of decided items and adds those with the others.
func (d *decider[R]) state() (s runfolder.BucketState) {
	for _, p := range d.held {
		if !d.committed[p.Key] {
			s.Held = append(s.Held, p)
		}
		delete(d.committed, p.Key)
	}
	for key := range d.committed {
		s.Dropped = append(s.Dropped, key)
	}
	slices.Sort(s.Dropped)
	return s
}

// decision is an object in the folder of decisions.
type decision struct {
	runfolder.DecisionKey
	at      int64 // nanoseconds since 1970, by the clock of the store
	matched bool  // a held item has this key
}

// decideAll lists the decisions, and takes the items that some of them are about.
func (d *decider[R]) decideAll(ctx context.Context) error {
	var block []decision
	in := d.run.folder + runfolder.DecisionsFolder
	for object, err := range listing.After(ctx, d.f.bucket, in, "") {
		if object == nil {
			return fmt.Errorf("sink: %w", err)
		}
		name := strings.TrimPrefix(object.Key, d.run.folder)
		key, ok := runfolder.ParseDecision(name)
		if !ok {
			if !runfolder.IsLeftover(name) && !strings.HasSuffix(name, ".lock") {
				d.ignore(ctx, object.Key, "its name is not that of a decision")
			}
			continue
		}
		block = append(block, decision{DecisionKey: key, at: object.ModTime.UnixNano()})
		if len(block) < d.most {
			continue
		}
		if err := d.decide(ctx, block); err != nil {
			return err
		}
		block = block[:0]
	}
	if len(block) == 0 {
		return nil
	}
	return d.decide(ctx, block)
}

// decide takes the items that the decisions of a block are about.
func (d *decider[R]) decide(ctx context.Context, block []decision) error {
	slices.SortFunc(block, func(a, b decision) int { return a.Compare(b.DecisionKey) })
	t := newTaker(&itemLists{d.f.bucket, d.run}, d.sorter, runfolder.Held, int(d.f.opts.PartBytes))
	for _, p := range d.held {
		content, err := runfolder.ReadPart(ctx, d.f.bucket, p)
		if err != nil {
			return fmt.Errorf("sink: %w", err)
		}
		decided, err := d.decisionsOf(ctx, p, content, block)
		if err != nil {
			return err
		}
		if len(decided) == 0 {
			continue
		}
		if err := t.take(ctx, p, content, func(r *runfolder.Record) (fields []byte, take bool, err error) {
			fields, take = decided[r.ID]
			return fields, take, nil
		}); err != nil {
			return err
		}
	}
	if err := t.others.Flush(ctx); err != nil {
		return err
	}
	d.items += t.items
	slices.Sort(t.dropped)
	d.held = slices.DeleteFunc(d.held, func(p runfolder.Part) bool {
		_, dropped := slices.BinarySearch(t.dropped, p.Key)
		return dropped
	})
	d.held = append(d.held, t.others.Parts...)
	d.reportStrays(ctx, block)
	return nil
}

// question is a held item with a decision.
type question struct {
	record *runfolder.Record
	at     time.Time
}

// decisionsOf reads the decisions of a block about the items of a HELD part. It returns the fields
// of the decided ones by their IDs.
func (d *decider[R]) decisionsOf(ctx context.Context, p runfolder.Part, content []byte, block []decision) (map[string][]byte, error) {
	var questions []question
	err := eachRecord(p, content, func(_ []byte, r *runfolder.Record) error {
		key := runfolder.KeyOfDecision(r.ID, r.Holds)
		i, ok := slices.BinarySearchFunc(block, key, func(a decision, b runfolder.DecisionKey) int { return a.Compare(b) })
		if ok {
			block[i].matched = true
			r.Input = nil // it stays in the part
			questions = append(questions, question{r, time.Unix(0, block[i].at).UTC()})
		}
		return nil
	})
	if err != nil || len(questions) == 0 {
		return nil, err
	}
	type answer struct {
		fields []byte
		why    error
	}
	answers := make([]answer, len(questions))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(decisionReaders)
	for i, q := range questions {
		group.Go(func() (err error) {
			answers[i].fields, answers[i].why, err = d.ask(groupCtx, q)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	decided := map[string][]byte{}
	for i, q := range questions {
		switch a := answers[i]; {
		case a.why != nil:
			d.ignore(ctx, d.run.folder+runfolder.DecisionName(q.record.ID, q.record.Holds), errorText(a.why)+": remove it, and decide again")
		case a.fields != nil:
			decided[q.record.ID] = a.fields
			d.newest = laterOf(d.newest, q.at)
		}
	}
	return decided, nil
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ask reads a decision. Without fields the item stays held: why says how the decision is
// wrong, unless it is gone.
func (d *decider[R]) ask(ctx context.Context, q question) (fields []byte, why, err error) {
	key := d.run.folder + runfolder.DecisionName(q.record.ID, q.record.Holds)
	file, why, err := runfolder.LoadDecision(ctx, d.f.bucket, key, q.record.ID)
	switch {
	case transient.Absent(err), why != nil:
		return nil, why, nil
	case err != nil:
		return nil, nil, fmt.Errorf("sink: %w", err)
	}
	return decisionFields(q.record.Reason, &runfolder.Decided{
		Approved: file.Decision == runfolder.Approve, By: file.By, At: runfolder.Time(q.at), Note: file.Note,
	}), nil, nil
}

// takeUnsettled takes the unsettled items of the release before.
func (d *decider[R]) takeUnsettled(ctx context.Context) error {
	before := d.progress.Release
	if before == nil {
		return nil
	}
	settled := journal.NewIntervalSet(d.progress.Settled)
	for _, p := range before.Parts {
		for l, err := range takenLines(ctx, d.f.bucket, runfolder.Part(p), redrive.ReleasedGaps(settled, before, p)) {
			if err != nil {
				return err
			}
			r, err := l.record()
			if err != nil {
				return err
			}
			if err := d.sorter.AddLine(ctx, &r.Item, slices.Clone(l.text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// reportStrays names decisions that are about no held item. Those from before the last release may
// have had their effect then.
func (d *decider[R]) reportStrays(ctx context.Context, block []decision) {
	var since time.Time
	if before := d.progress.Release; before != nil {
		since = before.Newest
	}
	for _, o := range block {
		if o.matched || !runfolder.Time(time.Unix(0, o.at)).After(since) {
			continue
		}
		if len(d.ignored) >= maxIgnored {
			return
		}
		d.ignore(ctx, d.run.folder+o.Name(), "no item is held for which this would be the name of the decision")
	}
}

// ignore registers a decision without effect.
func (d *decider[R]) ignore(ctx context.Context, key, why string) {
	if len(d.ignored) >= maxIgnored {
		return
	}
	key = scrub.Word(scrub.Clip(key, maxErrorText))
	d.ignored = append(d.ignored, fmt.Sprintf("decision %s: %s", key, why))
	d.run.warn(ctx, "decision has no effect", "decision", key, "why", why)
}
