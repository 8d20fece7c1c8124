//go:build race

package source_test

import "testing"

// skipWithRaceDetector skips a test of listing times in virtual time, which takes minutes with the
// race detector. The conformance tests of listings run with it; make test runs this one without.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	t.Skip("too slow with the race detector: make test runs it without")
}
