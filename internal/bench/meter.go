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

// meter takes what a case costs, from its start to its stop.
type meter struct {
	began    time.Time
	cpu      time.Duration
	resident int64
	mem      runtime.MemStats
	end      *measured // nil until stop
}

// start begins the measurement anew: what the case did until now was preparation. Garbage of the preparation is given
// back first, and the peak begins again from what is resident.
func (w workload) start() {
	if w.meter != nil {
		w.meter.start()
	}
}

// stop ends the measurement before the case returns: what follows is checking or tidying.
func (w workload) stop() {
	if w.meter != nil && w.meter.end == nil {
		w.meter.stop()
	}
}

func (m *meter) start() {
	debug.FreeOSMemory()
	// Linux takes this as: begin VmHWM again. Elsewhere the peak is that of the whole process.
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

// resident is how much memory the process has now, in bytes; 0 where /proc does not say.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return residentOf(statm, int64(os.Getpagesize()))
}

// residentOf takes the second field of /proc/self/statm, which counts pages.
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
