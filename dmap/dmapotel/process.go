package dmapotel

import (
	"context"
	"reflect"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// providersInUse holds the metrics of the providers that runs of the process use now, so that runs
// of several observers are counted as one.
//
//nolint:gochecknoglobals // a provider reads each gauge of the process once
var providersInUse = struct {
	mu  sync.Mutex // guards by, and users of each process
	all map[metric.MeterProvider]*process
}{all: make(map[metric.MeterProvider]*process)}

// process is what the runs of this process that use one provider share.
type process struct {
	*instruments
	provider metric.MeterProvider
	users    int // runs that have started and not ended

	mu       sync.Mutex // guards the fields below
	live     map[*runMetrics]struct{}
	kinds    map[[2]string]*kindMetrics // by source.kind and engine
	sampling metric.Registration        // nil: none
}

// joinProcess returns the process of a provider, with one more user. leave ends that.
func joinProcess(provider metric.MeterProvider) *process {
	in := &providersInUse
	shared := reflect.TypeOf(provider).Comparable()
	in.mu.Lock()
	defer in.mu.Unlock()
	if shared && in.all[provider] != nil {
		p := in.all[provider]
		p.users++
		return p
	}
	p := &process{
		instruments: newInstruments(provider), provider: provider, users: 1,
		live: make(map[*runMetrics]struct{}), kinds: make(map[[2]string]*kindMetrics),
	}
	var err error
	p.sampling, err = p.meter.RegisterCallback(p.sample, p.inFlight, p.limit, p.checkpointAge)
	if err != nil {
		otel.Handle(err)
	}
	if shared {
		in.all[provider] = p
	}
	return p
}

// leave ends what joinProcess began.
func (p *process) leave() {
	in := &providersInUse
	in.mu.Lock()
	defer in.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	if reflect.TypeOf(p.provider).Comparable() && in.all[p.provider] == p {
		delete(in.all, p.provider)
	}
	if p.sampling == nil {
		return
	}
	if err := p.sampling.Unregister(); err != nil {
		otel.Handle(err)
	}
}

// add begins the sampling of a run.
func (p *process) add(r *runMetrics, kind, engine string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{kind, engine}
	if p.kinds[key] == nil {
		p.kinds[key] = newKindMetrics(p.instruments, kind, engine)
	}
	r.kindMetrics = p.kinds[key]
	p.live[r] = struct{}{}
}

// remove ends the sampling of a run.
func (p *process) remove(r *runMetrics) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.live, r)
}

// runs are the runs that are sampled now.
func (p *process) runs() []*runMetrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*runMetrics, 0, len(p.live))
	for r := range p.live {
		list = append(list, r)
	}
	return list
}

// gauges are the values of the runs with one kind of source.
type gauges struct {
	inFlight, limit int64
	age             time.Duration
	journal         bool // age is known
}

func (g *gauges) add(more gauges) {
	g.inFlight += more.inFlight
	g.limit += more.limit
	g.age = max(g.age, more.age)
	g.journal = g.journal || more.journal
}

// sample observes all runs, for a reader of the provider. The counters that follow Stats move too.
func (p *process) sample(ctx context.Context, o metric.Observer) error {
	now := time.Now()
	byKind := make(map[*kindMetrics]*gauges)
	for _, r := range p.runs() {
		g, lives := r.sample(ctx, now)
		if !lives {
			continue
		}
		if sum := byKind[r.kindMetrics]; sum != nil {
			sum.add(g)
		} else {
			byKind[r.kindMetrics] = &g
		}
	}
	for k, g := range byKind {
		o.ObserveInt64(p.inFlight, g.inFlight, k.plain)
		o.ObserveInt64(p.limit, g.limit, k.plain)
		if g.journal {
			o.ObserveFloat64(p.checkpointAge, g.age.Seconds(), k.plain)
		}
	}
	return nil
}
