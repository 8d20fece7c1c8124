package progress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkUpdate measures one update of a terminal, of which there are four a second.
func BenchmarkUpdate(b *testing.B) {
	d, _ := onScreen(120, Options{Every: time.Hour})
	run, err := failing(b.Context(), d.Observer(), nil)
	require.NoError(b, err)
	b.ResetTimer()
	for b.Loop() {
		d.update()
	}
	b.StopTimer()
	run.Cancel(nil)
	<-run.Done()
}
