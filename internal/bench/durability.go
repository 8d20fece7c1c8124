package main

import "github.com/go-dmap/dmap/sink"

// durability measures the cost of surviving kill -9: the same job with the sink's journal off and
// on. It uses the data of job, so the ratio refers to realistic work.
var durability = table{
	name:    "durability",
	what:    "the job with dmap.Map, with the journal off and on",
	n:       job.n,
	prepare: makeApplications,
	cases: []benchCase{
		{name: "journal off (Express)", run: mapItems(sink.BucketOptions{Express: true}), ours: true},
		{name: "journal on", run: mapItems(), ours: true},
	},
	targets: []target{{of: "journal on", figure: cpuMicros, against: "journal off (Express)", most: 1.03}},
}
