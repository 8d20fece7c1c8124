package dmap

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-dmap/dmap/internal/errtext"
	"github.com/stretchr/testify/require"
)

func TestLinesOfASourceAreLoggedOnceEachAndNotWithoutEnd(t *testing.T) {
	var out bytes.Buffer
	log := newRunLog(t.Context(), Options{RunID: "r", Logger: slog.New(slog.NewTextHandler(&out, nil))}, &errtext.Rules{})
	give := log.noticed()
	for i := range 1000 {
		give(fmt.Sprintf("leaves out %d", i/2))
	}
	require.Equal(t, maxNotices+1, strings.Count(out.String(), "\n"))
	require.Equal(t, 1, strings.Count(out.String(), `"dmap: leaves out 3"`))
	require.Contains(t, out.String(), "more such lines")
}
