//go:build !race

package source_test

import "testing"

func skipWithRaceDetector(*testing.T) {}
