package main

import "github.com/go-dmap/dmap/sink"

// durability is what it costs that a run survives kill -9: the same job with the sink's journal off and on. Its data is
// the job's, so that the ratio is to work that a user would do.
var durability = table{
	name:    "durability",
	what:    "the job by dmap.Map, its journal off and on",
	n:       job.n,
	prepare: makeApplications,
	cases: []benchCase{
		{name: "journal off (Express)", run: mapItems(sink.BucketOptions{Express: true}), ours: true},
		{name: "journal on", run: mapItems(), ours: true},
	},
	owed: []owed{{of: "journal on", figure: cpuMicros, against: "journal off (Express)", most: 1.03}},
}
