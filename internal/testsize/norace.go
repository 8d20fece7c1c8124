//go:build !race

package testsize

// RaceDetector reports whether the race detector runs.
const RaceDetector = false
