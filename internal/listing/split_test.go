package listing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDirectoryWithANameLongerThanMaxIndexIsSplit(t *testing.T) {
	name := strings.Repeat("n", 2*maxIndex)
	var keys []string
	for i := range 10_000 {
		keys = append(keys, fmt.Sprintf("%s/%04d", name, i))
	}
	l := New(nil, "", nil)
	l.pathOver(keys)
	w := l.pathOver(keys[:2000])
	list, _ := w.remaining(&l.alphabet, w.at, "")
	split, ok := l.probeNextDirectory(openRange{path: w, list: list, lo: w.at})
	require.True(t, ok)
	require.Equal(t, name+"0", split)
}

// pathOver returns a path over keys that l learns from.
func (l *Lister) pathOver(keys []string) *path {
	w := &path{}
	for _, key := range keys {
		w.advance(&l.alphabet, key)
	}
	return w
}
