package dmap

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/attention"
)

func TestWhyARunStopsDecidesItsState(t *testing.T) {
	boom := errors.New("boom")
	source, broken := &SourceError{Err: boom}, &SinkError{Op: "write", Err: boom}
	tolerance := &ToleranceError{}
	fenced := &SinkError{Op: "append", Err: fmt.Errorf("commit 3: %w", ErrFenced)}
	changed := &SourceError{Err: &SpecError{}}
	refused := &SourceError{Err: attention.Mark(boom)}
	held := &HeldError{Held: 2}
	for name, test := range map[string]struct {
		evidence
		reason string
		state  State
		open   bool // matches ErrOpen
	}{
		"success":                    {evidence{}, "succeeded", StateEnded, false},
		"MaxItems":                   {evidence{truncated: true}, "max items", StateEnded, false},
		"tolerance":                  {evidence{cause: tolerance}, "tolerance", StateEnded, false},
		"tolerance at the end":       {evidence{exceeded: tolerance}, "tolerance", StateEnded, false},
		"Cancel":                     {evidence{cause: boom, canceled: boom}, "canceled", StateEnded, false},
		"Cancel of a suspended run":  {evidence{cause: ErrSuspended, canceled: boom}, "canceled", StateEnded, false},
		"Cancel after the last call": {evidence{canceled: boom}, "succeeded", StateEnded, false},
		"Cancel after the tolerance": {evidence{cause: tolerance, canceled: boom}, "tolerance", StateEnded, false},
		"suspended":                  {evidence{cause: fmt.Errorf("deploy: %w", ErrSuspended)}, "suspended", StateOpen, true},
		"context":                    {evidence{cause: boom}, "context", StateOpen, true},
		"context with a run's error": {evidence{cause: ErrCanceled}, "context", StateOpen, true},
		"source":                     {evidence{source: source}, "source", StateOpen, true},
		"source, many failures":      {evidence{source: source, exceeded: tolerance}, "tolerance", StateEnded, false},
		"source, canceled":           {evidence{cause: boom, source: source, canceled: boom}, "canceled", StateEnded, false},
		"sink":                       {evidence{cause: broken, sinks: []error{broken}}, "sink", StateOpen, true},
		"sink, many failures":        {evidence{cause: tolerance, sinks: []error{broken}}, "sink", StateOpen, true},
		"sink, canceled":             {evidence{cause: boom, sinks: []error{broken}, canceled: boom}, "sink", StateOpen, true},
		"fenced":                     {evidence{cause: fenced, sinks: []error{fenced}}, "fenced", StateOpen, false},
		"changed object":             {evidence{source: changed}, "changed", StateOpen, false},
		"refused":                    {evidence{source: refused}, "source", StateOpen, false},
		"held":                       {evidence{held: held}, "held", StateOpen, false},
		"held, tolerance at the end": {evidence{held: held, exceeded: tolerance}, "tolerance", StateEnded, false},
		"held, trial":                {evidence{held: held, trial: ErrEnded}, "trial", StateEnded, false},
		"held, sink":                 {evidence{held: held, sinks: []error{broken}}, "sink", StateOpen, true},
		"held, counts":               {evidence{held: held, sum: ErrInternal}, "internal", StateOpen, true},
		"counts":                     {evidence{sum: ErrInternal}, "internal", StateOpen, true},
	} {
		t.Run(name, func(t *testing.T) {
			test.durable = true
			v := test.judged()
			require.Equal(t, test.reason, v.reason)
			require.Equal(t, test.state, v.state)
			require.Equal(t, test.open, errors.Is(v.inRun("r"), ErrOpen))
			require.Equal(t, test.reason == "held", errors.Is(v.inRun("r"), ErrHeld), "nothing else is left to do")
			test.durable = false
			v = test.judged()
			require.Equal(t, test.reason, v.reason)
			require.Equal(t, StateEnded, v.state, "no call resumes a run without a journal")
			require.NotErrorIs(t, v.inRun("r"), ErrOpen)
		})
	}
}

// A run whose end fails is not one that only waits for people.
func TestAFailedEndOfARunWithHeldItemsIsResumed(t *testing.T) {
	v := evidence{durable: true, held: &HeldError{Held: 2}}.judged()
	require.Equal(t, exitPerson, ExitCode(v.inRun("r")))
	v = v.failedWith(&SinkError{Op: "end", Err: errors.New("boom")}, true)
	require.Equal(t, exitOpen, ExitCode(v.inRun("r")))
	require.NotErrorIs(t, v.inRun("r"), ErrHeld)
}

func TestExitCodes(t *testing.T) {
	boom := errors.New("boom")
	durable := func(e evidence) error { e.durable = true; return e.judged().inRun("r") }
	nested := durable(evidence{cause: boom})
	for name, test := range map[string]struct {
		err  error
		code int
	}{
		"success":       {nil, 0},
		"not of a run":  {boom, 1},
		"tolerance":     {durable(evidence{cause: &ToleranceError{}}), 1},
		"canceled":      {durable(evidence{cause: boom, canceled: boom}), 1},
		"ended before":  {verdict{err: ErrEnded, state: StateEnded}.inRun("r"), 1},
		"wrong call":    {&callError{boom}, 64},
		"context":       {durable(evidence{cause: boom}), 75},
		"fenced":        {durable(evidence{sinks: []error{&SinkError{Err: ErrFenced}}}), 76},
		"changed":       {durable(evidence{source: &SpecError{}}), 78},
		"refused":       {durable(evidence{source: &SourceError{Err: attention.Mark(boom)}}), 78},
		"not durable":   {evidence{cause: boom}.judged().inRun("r"), 1},
		"wrapped":       {fmt.Errorf("monday: %w", nested), 75},
		"nested in one": {durable(evidence{cause: &ToleranceError{First: []*ItemError{{Err: nested}}}}), 1},
	} {
		require.Equal(t, test.code, ExitCode(test.err), name)
	}
}

func TestTheErrorOfAnItemMatchesNoErrorOfARun(t *testing.T) {
	cause := errors.New("card refused")
	all := errors.Join(cause, ErrOpen, ErrEnded, ErrFenced, ErrSpecChanged, ErrSuspended, ErrTolerance, ErrCanceled, ErrInternal, ErrNoObjects,
		&SinkError{Err: cause}, &SourceError{Err: cause}, &SpecError{}, attention.Mark(cause), &callError{cause},
		verdict{err: cause, state: StateOpen, reason: reasonContext}.inRun("inner"))
	outer := verdict{err: &ToleranceError{First: []*ItemError{{Info: Info{Key: "a", Offset: WholeObject}, Err: all}}}, state: StateEnded}.inRun("outer")
	require.ErrorIs(t, outer, cause)
	require.ErrorIs(t, outer, ErrTolerance, "it is that of the outer run")
	for _, target := range []error{ErrOpen, ErrEnded, ErrFenced, ErrSpecChanged, ErrSuspended, ErrCanceled, ErrInternal, ErrNoObjects} {
		require.NotErrorIs(t, outer, target)
		require.NotErrorIs(t, &ItemError{Err: all}, target)
	}
	require.NotErrorIs(t, &ItemError{Err: all}, ErrTolerance)
	var sink *SinkError
	var source *SourceError
	var spec *SpecError
	require.False(t, errors.As(outer, &sink) || errors.As(outer, &source) || errors.As(outer, &spec))
	require.False(t, attention.Needed(outer))
	var item *ItemError
	require.ErrorAs(t, outer, &item)
	require.ErrorIs(t, item.Err, ErrOpen, "the field has the whole cause")
	require.Equal(t, 1, ExitCode(outer))
}
