package enginetest

import (
	"testing"
	"testing/synctest"
)

// TestSuite runs all cases with an engine.
func TestSuite(t *testing.T, e Engine) {
	for name, in := range inputs() {
		e.test(t, "the results of "+name, sameResults(in))
	}
	for name, f := range cases() {
		e.test(t, name, f)
	}
}

func (e Engine) test(t *testing.T, name string, f func(t *testing.T, e Engine)) {
	t.Run(name, func(t *testing.T) {
		if e.Real {
			t.Parallel()
			f(t, e)
			return
		}
		synctest.Test(t, func(t *testing.T) { f(t, e) })
	})
}
