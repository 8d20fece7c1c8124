package testsize

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStep(t *testing.T) {
	all := Sizes{Short: 5, Race: 7, Usual: 2, Long: 1}
	for _, test := range []struct {
		sizes             Sizes
		short, race, long bool
		want              int
	}{
		{all, false, false, false, 2},
		{all, true, false, false, 5},
		{all, false, true, false, 7},
		{all, true, true, false, 7},
		{all, true, true, true, 1},
		{Sizes{Usual: 3}, true, true, false, 3},
		{Sizes{Usual: 3}, true, true, true, 3},
		{Sizes{Short: 1, Usual: 3}, true, false, false, 3},
	} {
		require.Equal(t, test.want, test.sizes.step(test.short, test.race, test.long), "%+v", test)
	}
}

func TestPick(t *testing.T) {
	all := Sizes{Short: 1, Race: 2, Usual: 3, Long: 4}
	for _, test := range []struct {
		sizes             Sizes
		short, race, long bool
		want              int
	}{
		{all, false, false, false, 3},
		{all, true, false, false, 1},
		{all, false, true, false, 2},
		{all, true, true, false, 1},
		{all, true, true, true, 4},
		{all, false, false, true, 4},
		{Sizes{Usual: 3}, true, true, false, 3},
		{Sizes{Usual: 3, Race: 2}, true, true, true, 3},
		{Sizes{Short: 9, Race: 2, Usual: 20}, true, true, false, 2},
	} {
		require.Equal(t, test.want, test.sizes.pick(test.short, test.race, test.long), "%+v", test)
	}
}
