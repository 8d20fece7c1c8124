package enginetest_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/enginetest"
	"github.com/go-dmap/dmap/internal/testsize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is a run of dmap.Map.
type local struct {
	*dmap.Run
	kill func()
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
		return local{run, stop}, nil
	}})
}
