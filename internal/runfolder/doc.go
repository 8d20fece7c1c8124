// Package runfolder is the stored format of a run: the names of the objects in its folder, their
// fields, limits and checks. The sink writes by it; the readers of results and the redrive sources
// read by it. docs/format.md specifies it, and a test compares that document with the structs of
// this package.
//
// The structs are plain data, independent of the engine's types. Decoding checks its input,
// because other programs may write to the bucket. It ignores unknown fields, which later minor
// versions may add.
package runfolder

import (
	"errors"
	"fmt"
	"time"
)

// Format is the version of everything in the folder. A version of dmap reads the formats 1 to
// Format.
const Format = 1

// FormatShared is the version of the commit records of a run that was shared between machines, and
// of those of lanes. Versions that do not know it refuse to continue the run: they would process
// again what lanes have settled.
const FormatShared = 2

func checkFormat(format int) error {
	switch {
	case format < 1:
		return errors.New("no format number: dmap has not written it")
	case format > Format:
		return fmt.Errorf("format %d is newer than format %d, the newest that this version of dmap reads: use a newer version", format, Format)
	}
	return nil
}

// Time is t as it is stored: UTC, and no finer than microseconds, because DuckDB's timestamps are
// not.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
