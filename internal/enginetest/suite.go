package enginetest

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-dmap/dmap/internal/testsize"
)

// TestSuite runs all cases with an engine.
func TestSuite(t *testing.T, e Engine) {
	all, each := inputs(), testsize.Sizes{Short: 3, Race: 3, Usual: 1}.Step()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i%each == 0 {
			e.test(t, "the results of "+name, sameResults(all[name]))
			e.test(t, "a redrive of "+name, redrives(all[name]))
		}
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
