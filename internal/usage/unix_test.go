//go:build unix

package usage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNowMeasuresCPUAndMemory(t *testing.T) {
	before := Now()
	block := make([]byte, 64<<20)
	var after Usage
	for after.CPU <= before.CPU {
		for i := range block {
			block[i]++
		}
		after = Now()
	}
	require.GreaterOrEqual(t, after.Peak, int64(len(block)))
	require.Less(t, after.Peak, int64(4<<30))
}

func TestHighWaterParsesProcStatus(t *testing.T) {
	kib, ok := highWater([]byte("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 5 kB\n"))
	require.True(t, ok)
	require.Equal(t, int64(1234), kib)
	for _, status := range []string{"", "VmHWM:", "VmHWM:   \n", "VmHWM: many kB"} {
		_, ok := highWater([]byte(status))
		require.False(t, ok, "%q", status)
	}
}
