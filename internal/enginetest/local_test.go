package enginetest_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/enginetest"
	"github.com/go-dmap/dmap/internal/testsize"
	"github.com/go-dmap/dmap/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is a run of dmap.Map.
type local struct {
	*dmap.Run
	set  *watch.Set // has the run
	kill func()
}

func (l local) Failures() (out []dmap.FailureGroup) {
	for _, g := range l.set.Runs()[0].Groups().Groups {
		out = append(out, dmap.FailureGroup{ID: g.ID, Class: g.Class, Message: g.Message, Count: g.Count})
	}
	return out
}

func (l local) Wait() error   { _, err := l.Run.Wait(); return err }
func (l local) Pause() error  { l.Run.Pause(); return nil }
func (l local) Resume() error { l.Run.Resume(); return nil }
func (l local) Cancel() error { l.Run.Cancel(nil); return nil }
func (l local) Kill()         { l.kill() }

func TestMapPassesTheSuiteOfEngines(t *testing.T) {
	if testsize.RaceDetector {
		t.Skip("other tests of dmap.Map look for races: make test runs this one without the detector")
	}
	enginetest.TestSuite(t, enginetest.Engine{Tick: time.Second, Machines: 1, Slack: 2, Start: func(t *testing.T, j *enginetest.Job) (enginetest.Run, error) {
		m := j.Machine()
		set := watch.NewSet(watch.Options{})
		m.Options.Observer = set.Observer()
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		var run *dmap.Run
		var err error
		if m.Call != nil {
			run, err = dmap.Start(ctx, m.Source, m.Call, m.Options, dmap.Sink[string](m.Sink))
		} else {
			run, err = dmap.StartBatch(ctx, m.Source, m.Limits, m.Batch, m.Options, dmap.Sink[string](m.Sink))
		}
		if err != nil {
			return nil, err
		}
		stop := func() { m.Kill(); cancel() }
		go func() { // a machine that dies takes its run with it
			select {
			case <-m.Dead:
				cancel()
			case <-run.Done():
			}
		}()
		return local{run, set, stop}, nil
	}})
}
