package dmap

import "github.com/go-dmap/dmap/internal/guard"

// The exit codes of ExitCode. Those from 64 on are of sysexits.h.
const (
	exitEnded  = 1
	exitCall   = 64 // EX_USAGE
	exitOpen   = 75 // EX_TEMPFAIL
	exitFenced = 76
	exitPerson = 78 // EX_CONFIG
)

// ExitCode is the exit code of a program whose Map returned err:
//
//	0   success
//	1   the run has ended without success, or err is not of a run
//	64  the call is wrong: arguments or options
//	75  the run is open: call again (ErrOpen)
//	76  another process has the run: do not call again (ErrFenced)
//	78  the run is open or was not begun, and a person must act first: ErrHeld, ErrSpecChanged, a
//	    used Options.TotalBudget, a refused access, a damaged or foreign file in the folder, a
//	    store that ignores create-only writes
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case matches(err, ErrFenced):
		return exitFenced
	case matches(err, ErrOpen):
		return exitOpen
	case matches(err, ErrHeld), matches(err, ErrSpecChanged), needsPerson(err), needsBudget(err):
		return exitPerson
	}
	if _, wrong := guard.As[*callError](err); wrong {
		return exitCall
	}
	return exitEnded
}

// needsBudget reports whether the run of err is open, and its total budget must be raised.
func needsBudget(err error) bool {
	e, ok := guard.As[*runError](err)
	return ok && e.raise
}
