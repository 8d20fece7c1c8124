package fingerprint_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/internal/fingerprint"
)

func hash[T any](t testing.TB, v T) string {
	t.Helper()
	h, err := fingerprint.Of[T]().Add(0, &v)
	require.NoError(t, err)
	return h.String()
}

// The hash is stored: these values may not change.
func TestHashesAreTheSameInEveryProcess(t *testing.T) {
	type job struct {
		ID   int
		name string
		tags map[string]float64
	}
	require.Equal(t, []string{
		"06ea6bdb6ca0a1b1", "182c92e72d73cc01", "40e47cb544c9da38", "776c381bf4a9db29", "78d71cfe537e6194", "9fb2a1ce662f0ceb",
	}, []string{
		hash(t, 42), hash(t, "text of some bytes"), hash(t, []byte{1, 2, 255}), hash(t, job{1, "a", map[string]float64{"x": 1, "y": 2}}),
		hash(t, any(int8(3))), hash(t, time.Unix(7, 8).UTC()),
	})
}

type node struct {
	value int
	next  *node
	Same  any `dmap:"-"`
}

// everything has a field of each kind, exported and not.
type everything struct {
	A bool
	b int8
	C uint16
	d int32
	E uint64
	f float32
	G float64
	h complex64
	I complex128
	j string
	K []byte
	l [3]byte
	M []string
	n [2]int
	O *int
	p map[string]int
	Q any
	r *node
	S struct{ x, Y string }
	t time.Time
	U netip.Addr
	v *big.Int
	w uintptr
	F func()
}

func full() everything {
	n := 5
	return everything{
		true, 1, 2, 3, 4, 5, 6, 7, 8, "j", []byte("k"), [3]byte{1, 2, 3}, []string{"m", "n"}, [2]int{1, 2}, &n,
		map[string]int{"a": 1, "b": 2}, "q", &node{1, &node{2, nil, nil}, nil}, struct{ x, Y string }{"x", "y"},
		time.Unix(1, 2), netip.MustParseAddr("10.0.0.1"), big.NewInt(9), 10, nil,
	}
}

func TestEveryFieldCountsAlsoUnexportedOnes(t *testing.T) {
	m, n := 6, 5
	base := hash(t, full())
	require.Equal(t, base, hash(t, full()), "other pointers to the same content")
	changes := map[string]func(e *everything){
		"A": func(e *everything) { e.A = false }, "b": func(e *everything) { e.b++ }, "C": func(e *everything) { e.C++ },
		"d": func(e *everything) { e.d = -e.d }, "E": func(e *everything) { e.E++ }, "f": func(e *everything) { e.f = -e.f },
		"G": func(e *everything) { e.G++ }, "h": func(e *everything) { e.h = 7i }, "I": func(e *everything) { e.I = 8i },
		"j": func(e *everything) { e.j = "j\xff" }, "K": func(e *everything) { e.K = []byte("k\x00") },
		"l": func(e *everything) { e.l[2] = 4 }, "M": func(e *everything) { e.M = []string{"mn", ""} },
		"n": func(e *everything) { e.n = [2]int{2, 1} }, "O": func(e *everything) { e.O = &m },
		"O nil": func(e *everything) { e.O = nil }, "p": func(e *everything) { e.p = map[string]int{"a": 2, "b": 1} },
		"Q": func(e *everything) { e.Q = []byte("q") }, "r": func(e *everything) { e.r = &node{1, &node{3, nil, nil}, nil} },
		"S": func(e *everything) { e.S.x, e.S.Y = "xy", "" }, "t": func(e *everything) { e.t = e.t.Add(1) },
		"U": func(e *everything) { e.U = netip.MustParseAddr("10.0.0.2") }, "v": func(e *everything) { e.v = big.NewInt(-9) },
		"w": func(e *everything) { e.w++ },
	}
	require.GreaterOrEqual(t, len(changes), reflect.TypeFor[everything]().NumField()-1)
	for name, change := range changes {
		e := full()
		change(&e)
		require.NotEqual(t, base, hash(t, e), name)
	}
	e := full()
	e.O, e.r.Same = &n, func() {}
	require.Equal(t, base, hash(t, e), "a field that does not count")
}

func TestTheOrderOfAMapDoesNotCountAndThatOfASliceDoes(t *testing.T) {
	list := make([]int, 1000)
	counts := map[string]int{}
	for i := range list {
		list[i] = i
		counts[fmt.Sprint(i)] = i
	}
	want, wantMap := hash(t, list), hash(t, counts)
	for range 10 {
		again := map[string]int{}
		for _, i := range rand.Perm(len(list)) {
			again[fmt.Sprint(i)] = i
		}
		require.Equal(t, wantMap, hash(t, again))
	}
	seen := map[string]bool{want: true}
	for i := range len(list) - 1 {
		list[i], list[i+1] = list[i+1], list[i]
		require.False(t, seen[hash(t, list)], "swapped %d", i)
		list[i], list[i+1] = list[i+1], list[i]
	}
	require.Equal(t, want, hash(t, list))
}

func TestTheClockOfAProcessDoesNotCount(t *testing.T) {
	now := time.Now()
	require.Equal(t, hash(t, now), hash(t, now.Round(0)))
	require.NotEqual(t, hash(t, now.UTC()), hash(t, now.In(time.FixedZone("", 3600))))
}

func TestValuesWithoutContentAreRefusedByName(t *testing.T) {
	type inner struct{ Done chan int }
	type outer struct {
		Name string
		in   []inner
		Any  any
	}
	for want, v := range map[string]outer{
		"": {"a", []inner{{}}, 1},
		"field in.Done is a chan, which has no content": {"a", []inner{{make(chan int)}}, 1},
		"field Any is a func, which has no content":     {"a", nil, func() {}},
	} {
		_, err := fingerprint.Of[outer]().Add(0, &v)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
	f := func() {}
	_, err := fingerprint.Of[func()]().Add(0, &f)
	require.EqualError(t, err, "a func has no content")
	loop := &node{value: 1}
	loop.next = loop
	_, err = fingerprint.Of[*node]().Add(0, &loop)
	require.ErrorContains(t, err, "holds itself")
}

func TestTextsOfEachLengthDiffer(t *testing.T) {
	seen := map[string]int{}
	for n := range 100 {
		for _, last := range []byte{0, 1, 'a', 255} {
			s := make([]byte, n)
			if n > 0 {
				s[n-1] = last
			}
			h := hash(t, string(s))
			if before, ok := seen[h]; n > 0 {
				require.False(t, ok, "length %d and %d", before, n)
			}
			seen[h] = n
		}
	}
}

func FuzzEqualHashesAreOfEqualValues(f *testing.F) {
	f.Add("a", "b", "ab", "")
	f.Add("12345678", "", "1234567", "8")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		type pair struct{ x, y string }
		require.Equal(t, pair{a, b} == pair{c, d}, hash(t, pair{a, b}) == hash(t, pair{c, d}))
		again := []string{a, b}
		require.Equal(t, hash(t, []string{a, b}), hash(t, again), "of other memory")
	})
}

func BenchmarkHash(b *testing.B) {
	type job struct {
		ID       int
		Customer string
		Amount   float64
		Tags     []string
	}
	bench(b, "int", 7)
	bench(b, "string of 40 bytes", "customers/2026/11/26/0000000042.parquet!")
	bench(b, "struct", job{7, "customer 12345", 12.5, []string{"new", "europe"}})
	bench(b, "any", any(map[string]any{"id": 7, "name": "customer 12345"}))
}

func bench[T any](b *testing.B, name string, v T) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		list := make([]T, 10_000)
		for i := range list {
			list[i] = v
		}
		of := fingerprint.Of[T]()
		var h fingerprint.Hash
		for i := 0; b.Loop(); i = (i + 1) % len(list) {
			h, _ = of.Add(h, &list[i])
		}
	})
}
