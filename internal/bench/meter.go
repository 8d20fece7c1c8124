package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-dmap/dmap/internal/usage"
)

// meter measures the cost of a case from start to stop.
type meter struct {
	began    time.Time
	cpu      time.Duration
	resident int64
	mem      runtime.MemStats
	end      *measured // nil until stop
}

// start restarts the measurement: everything before it was preparation. It first returns the
// garbage of the preparation to the operating system, and resets the peak to the resident memory.
func (w workload) start() {
	if w.meter != nil {
		w.meter.start()
	}
}

// stop ends the measurement before the case returns: everything after it is checks and cleanup.
func (w workload) stop() {
	if w.meter != nil && w.meter.end == nil {
		w.meter.stop()
	}
}

func (m *meter) start() {
	debug.FreeOSMemory()
	// On Linux this resets VmHWM. On other systems the peak is that of the whole process.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	m.resident = resident()
	runtime.ReadMemStats(&m.mem)
	m.cpu, m.began = usage.Now().CPU, time.Now()
}

func (m *meter) stop() {
	wall, now := time.Since(m.began), usage.Now()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m.end = &measured{
		CPU: now.CPU - m.cpu, Wall: wall, Peak: now.Peak, Resident: m.resident,
		Allocs: int64(mem.Mallocs - m.mem.Mallocs), Allocated: int64(mem.TotalAlloc - m.mem.TotalAlloc),
	}
}

// resident returns the resident memory of the process in bytes; 0 without /proc.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return residentOf(statm, int64(os.Getpagesize()))
}

// residentOf parses the second field of /proc/self/statm, which counts pages.
func residentOf(statm []byte, pageSize int64) int64 {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * pageSize
}
