//go:build unix

package usage

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Now returns the usage since the start of the process.
func Now() Usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}
	}
	return Usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Peak: peak(r)}
}

// peak prefers VmHWM on Linux. ru_maxrss starts with the memory of the parent at the fork, and
// under `go run` the parent is the go command.
func peak(r syscall.Rusage) int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if kib, ok := highWater(status); ok {
			return kib << 10
		}
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(r.Maxrss) //nolint:unconvert // 32 bits on some
	}
	return int64(r.Maxrss) << 10 //nolint:unconvert // 32 bits on some
}

// highWater parses the line "VmHWM:   1234 kB" of /proc/self/status.
func highWater(status []byte) (kib int64, ok bool) {
	_, rest, found := bytes.Cut(status, []byte("VmHWM:"))
	if !found {
		return 0, false
	}
	fields := bytes.Fields(rest[:min(len(rest), 40)])
	if len(fields) == 0 {
		return 0, false
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib, err == nil
}
