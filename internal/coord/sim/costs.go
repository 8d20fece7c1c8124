package main

import "time"

// What a lease, a task and the host cost. Costs marked measured are of a prototype on a real
// server; the others are assumed.
const (
	leaseBytes  = 1_230                   // of history, measured
	leaseEvents = 4.1                     // measured
	serverCPU   = 7500 * time.Microsecond // a lease, measured

	taskEvents   = 5   // of another activity: scheduled, started, completed, and half of a workflow task
	taskBytes    = 600 // without its arguments, assumed
	signalEvents = 2   // of a worker to the workflow, with its part of a workflow task, assumed
	signalBytes  = 500 // without its splits, assumed
	// shedAfter: a lease that was asked back gives its rest back early if its calls take longer;
	// others after a quarter of their time. By design.
	shedAfter = 2 * time.Second
	// slotsAfter is the shortest time after which a lease gives slots back. By design.
	slotsAfter = time.Second
	toStart    = 50 * time.Millisecond   // from the decision of the host until a worker has the lease, assumed
	toReport   = 20 * time.Millisecond   // from the end of a lease until the host knows, assumed
	toAbsorb   = 2 * time.Second         // a root record, assumed
	poll       = time.Second             // of orders, by design
	downtime   = 8500 * time.Millisecond // of a host that dies, until leases flow again: the larger of two measured values
	heartbeat  = 30 * time.Second        // after which a lease is lost, by design
	toContinue = 500 * time.Millisecond  // to continue as new, assumed
	sealLane   = 860 * time.Microsecond  // of a host that takes over, measured: a minute for 70,000 lanes

	maxEvents = 30_000 // of a history, by design
	maxKeys   = 300    // of a range that is not divided, assumed: readers divide listed pages at their keys
	readers   = 8      // ranges that a lease reads at once: that of the engine
)
