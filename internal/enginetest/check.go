package enginetest

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-dmap/dmap/internal/guard"
)

// Only test files link testify, so the suite has its own few checks. Each ends the test.

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("an error: %v", err)
	}
}

func mustBe(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !guard.Is(err, target) {
			t.Fatalf("got the error %v\nwant one that matches %v", err, target)
		}
	}
}

func isTrue(t *testing.T, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf(format, args...)
	}
}

func equal[T any](t *testing.T, name string, want, got T) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s: want %+v\ngot %+v", name, want, got)
	}
}

// between fails unless low <= got <= high.
func between[T cmp.Ordered](t *testing.T, name string, low, got, high T) {
	t.Helper()
	if got < low || got > high {
		t.Fatalf("%s: want %v to %v, got %v", name, low, high, got)
	}
}

// sameTexts fails unless both have the same entries.
func sameTexts(t *testing.T, name string, want, got map[string]string) {
	t.Helper()
	var lost, more, other []string
	for id, v := range want {
		if g, ok := got[id]; !ok {
			lost = append(lost, id)
		} else if g != v {
			other = append(other, id+": "+g+", want "+v)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			more = append(more, id)
		}
	}
	if len(lost)+len(more)+len(other) > 0 {
		t.Fatalf("%s: %d wanted, %d there; missing: %s; not wanted: %s; different: %s",
			name, len(want), len(got), some(lost), some(more), some(other))
	}
}

func some(list []string) string {
	slices.Sort(list)
	return strings.Join(list[:min(len(list), 5)], ", ")
}
