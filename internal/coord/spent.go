package coord

import (
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/journal"
	"github.com/go-dmap/dmap/internal/lease"
)

// sharesEnd reports whether o waits and gets new shares for its next attempt.
func (o *Open) sharesEnd() bool { return !o.Held && (o.Anew || o.exhausted()) }

// exhausted reports whether an unfinished lease has used its shares.
func (o *Open) exhausted() bool {
	failed := o.Reported.NowFailed()
	l := lease.Lease{Failures: o.Shares.Failures, Percentage: o.Shares.Percentage, Above: o.Shares.Above}
	return l.Exceeded(failed, o.Reported.Succeeded+failed) || spent(o.Shares.Budget, o.Reported) || o.hasEnough()
}

// hasEnough reports whether an unfinished lease has its share of successes.
func (o *Open) hasEnough() bool {
	return o.Shares.Enough > 0 && o.Reported.Succeeded >= o.Shares.Enough
}

// spent reports whether n has reached a share.
func spent(share dmap.Budget, n journal.Counts) bool {
	return reached(share, n) != ""
}

// reached returns the field of a budget that n has reached; empty: there is none.
func reached(b dmap.Budget, n journal.Counts) string {
	switch {
	case b.Calls > 0 && calls(n) >= b.Calls:
		return "Calls"
	case b.Bytes > 0 && n.Bytes >= b.Bytes:
		return "Bytes"
	case b.Units > 0 && n.Units >= b.Units:
		return "Units"
	default:
		return ""
	}
}
