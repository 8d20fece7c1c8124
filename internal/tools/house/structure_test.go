package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/tools/typed/typedtest"
)

const engineFixture = `package p

import "sync/atomic"

type engine[T any] struct {
	self     *engine[T]
	plain    int
	callback func(holder[T])
	far      far[T]

	direct   holder[T]
	pointer  *holder[T]
	many     []*holder[T]
	byName   map[string]holder[T]
	swapped  atomic.Pointer[holder[T]]
	indirect wrapped[T]
}

type holder[T any] struct{ e *engine[T] }

type wrapped[T any] struct{ all []*engine[T] }

type far[T any] struct{ h *holder[T] } // knows one that holds it

func (e *engine[T]) start() {}
func (e engine[T]) stop()   {}
`

func TestMeasureStruct(t *testing.T) {
	p := typedtest.Load(t, "fixture", map[string]string{"p.go": engineFixture})[0]
	s, err := measureStruct(p.Types, "engine")
	require.NoError(t, err)
	require.Equal(t, structure{fields: 10, methods: 2, holders: 6}, s)
}

func TestMeasureStructRefusesANameThatIsNoStruct(t *testing.T) {
	p := typedtest.Load(t, "fixture", map[string]string{"p.go": "package p\n\ntype engine int\n"})[0]
	_, err := measureStruct(p.Types, "engine")
	require.ErrorContains(t, err, "is no struct")
	_, err = measureStruct(p.Types, "motor")
	require.ErrorContains(t, err, "fixture has no type motor")
}
