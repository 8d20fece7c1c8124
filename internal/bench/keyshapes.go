package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// shape is a naming scheme for keys. keys returns n keys in ascending order, the same ones on each
// call.
type shape struct {
	name string
	keys func(n int) []string
	flat bool // no directories to split at
	skew bool // most keys are in one directory
}

var shapes = []shape{
	{name: "hours", keys: hourKeys},
	{name: "days", keys: dayKeys},
	{name: "uuid", keys: uuidKeys, flat: true},
	{name: "sequence", keys: sequenceKeys, flat: true},
	{name: "epoch", keys: epochKeys, flat: true},
	{name: "skew", keys: skewKeys, skew: true},
	{name: "deep", keys: deepKeys},
	{name: "scripts", keys: scriptKeys, flat: true},
	{name: "tabs", keys: tabKeys, flat: true},
	{name: "prefix", keys: prefixKeys, flat: true},
	{name: "slashes", keys: slashKeys, flat: true},
	{name: "escaped", keys: escapedKeys, flat: true},
}

const hoursInYear = 365 * 24

var firstDay = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// hourKeys returns keys in 8,760 directories: one for each hour of a year.
func hourKeys(n int) []string {
	return evenly(n, hoursInYear, func(hour, i int) string {
		return fmt.Sprintf("logs/%s/part-%05d.json.gz", firstDay.Add(time.Duration(hour)*time.Hour).Format("2006-01-02/15"), i)
	})
}

// dayKeys returns keys in 366 directories.
func dayKeys(n int) []string {
	return evenly(n, 366, func(day, i int) string {
		return fmt.Sprintf("events/dt=%s/%06d.parquet", firstDay.AddDate(-1, 0, day).Format(time.DateOnly), i)
	})
}

// evenly returns n keys in the given number of directories. The sizes of the directories differ by
// at most one key.
func evenly(n, directories int, key func(directory, i int) string) []string {
	keys := make([]string, 0, n)
	for d := range directories {
		for i := range n*(d+1)/directories - n*d/directories {
			keys = append(keys, key(d, i))
		}
	}
	return keys
}

// uuidKeys returns random UUIDs.
func uuidKeys(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	keys := make([]string, n)
	for i := range keys {
		a, b := random.Uint64(), random.Uint64()
		keys[i] = fmt.Sprintf("objects/%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
	}
	slices.Sort(keys)
	return keys
}

// sequenceKeys returns consecutive numbers.
func sequenceKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("data/%012d.json", i)
	}
	return keys
}

// epochKeys returns keys that begin with a Unix time in milliseconds, a few seconds apart, and end
// in random digits.
func epochKeys(n int) []string {
	random := rand.New(rand.NewPCG(3, 4))
	keys := make([]string, n)
	at := firstDay.UnixMilli()
	for i := range keys {
		at += 1 + random.Int64N(9_000)
		keys[i] = fmt.Sprintf("messages/%d-%08x", at, random.Uint32())
	}
	return keys
}

// skewKeys returns keys in 5,000 directories. One of them holds 90 % of the keys.
func skewKeys(n int) []string {
	const directories, crowded = 5000, 3127
	few := evenly(n-n*9/10, directories, func(d, i int) string { return fmt.Sprintf("customer/%05d/%08d", d, i) })
	for i := range n * 9 / 10 {
		few = append(few, fmt.Sprintf("customer/%05d/x%08d", crowded, i))
	}
	slices.Sort(few)
	return few
}

// deepKeys returns keys below a long chain of directories with one entry each.
func deepKeys(n int) []string {
	const chain = "exports/v2/region=eu-central-1/account=481516234200/source=orders/year=2025/quarter=3/run=000017/attempt=01/"
	return evenly(n, 512, func(d, i int) string { return fmt.Sprintf("%sshard=%04d/part-%06d.parquet", chain, d, i) })
}
