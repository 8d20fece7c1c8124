// Package tolerance decides whether too many items of a run have failed. The engine judges its run
// by it, and the coordinator of many machines judges all of them together. It is pure arithmetic.
package tolerance

import (
	"math"
	"math/big"
	"strconv"
)

// defaultMinItems is the sample that S3 Batch Operations waits for before it judges a percentage.
const defaultMinItems = 1000

// Limits are those of dmap.Tolerance that count items. The zero Limits tolerate no failure.
// Otherwise a zero field does not limit, and either limit is exceeded strictly.
type Limits struct {
	Count      int64
	Percentage float64 // 0 to 100
	MinItems   int64   // 0: 1000
}

// Exceeded judges failed failures among of items: those settled while the source is read, all of
// them when the run has ended. A percentage is judged from MinItems items on, or at the end.
func (l Limits) Exceeded(failed, of int64, ended bool) bool {
	if l.Count == 0 && l.Percentage == 0 {
		return failed > 0
	}
	if l.Count > 0 && failed > l.Count {
		return true
	}
	enough := ended || of >= l.Sample()
	return l.Percentage > 0 && enough && MoreThanPercent(failed, of, l.Percentage)
}

// Sample is the number of settled items from which on a percentage is judged.
func (l Limits) Sample() int64 {
	if l.MinItems == 0 {
		return defaultMinItems
	}
	return l.MinItems
}

// MoreThanPercent reports whether failed is more than percentage per cent of of. The percentage is
// the decimal number as it is written: 2.3 is 23/10, not the nearest binary fraction.
func MoreThanPercent(failed, of int64, percentage float64) bool {
	if whole := int64(percentage); float64(whole) == percentage && max(failed, of) < math.MaxInt64/100 {
		return failed*100 > of*whole
	}
	got, limit := float64(failed)*100, float64(of)*percentage
	if margin := 1e-9 * (got + limit); math.Abs(got-limit) > margin { // far beyond the rounding of both
		return got > limit
	}
	allowed, ok := new(big.Rat).SetString(strconv.FormatFloat(percentage, 'f', -1, 64))
	if !ok { // not a finite number, which the engine refuses
		return got > limit
	}
	allowed.Mul(allowed, new(big.Rat).SetInt64(of))
	share := new(big.Rat).SetInt64(failed)
	return share.Mul(share, big.NewRat(100, 1)).Cmp(allowed) > 0
}
