package journal

import "math"

// The largest amounts that are stored. Sums stop there, so that no reader refuses them.
const (
	MaxBytes = int64(1) << 53 // the largest integer that every JSON reader has exactly
	MaxUnits = math.MaxFloat64
)

// AddBytes adds two numbers of bytes that users report. A negative one counts as 0.
func AddBytes(a, b int64) int64 {
	a, b = min(max(a, 0), MaxBytes), min(max(b, 0), MaxBytes)
	return min(a+b, MaxBytes)
}

// AddUnits adds two numbers of units that are not negative.
func AddUnits(a, b float64) float64 { return min(a+b, MaxUnits) }
