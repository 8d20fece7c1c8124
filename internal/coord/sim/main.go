// Command sim runs the coordinator of a large run in virtual time and prints its costs.
package main

import (
	"flag"
	"fmt"
	"time"
)

func main() {
	items := flag.Int64("n", 1_000_000_000, "objects of the listing")
	flag.Parse()
	fmt.Println("Measured in a prototype: 1,230 B and 4.1 events of history, and 7.5 ms of server CPU a lease; 8.5 s until")
	fmt.Println("leases flow after a coordinator died; 0.86 ms to seal a lane. Assumed: 50 ms to start a lease, 20 ms to report,")
	fmt.Println("2 s for a root record, 5 events and 600 B for another activity, 8 ranges read at once. Calls are lognormal; those of a minute")
	fmt.Println("are simulated one by one, shorter ones as a flow.")
	fmt.Println()
	base := settings{items: *items, workers: 100, slots: 48, atOnce: 3, mean: 100 * time.Millisecond, sigma: 1, undivided: maxKeys, seed: 1}
	for _, c := range []struct {
		name   string
		change func(*settings)
	}{
		{"100 workers of 48 calls, 100 ms a call", func(*settings) {}},
		{"very uneven calls (sigma 2)", func(s *settings) { s.sigma = 2 }},
		{"calls of 2 s, a 20th of the objects", func(s *settings) { s.mean, s.items = 2*time.Second, s.items/20 }},
		{"calls of 60 s, a 600th of the objects", func(s *settings) { s.mean, s.items = time.Minute, s.items/600 }},
		{"a small run: a 1000th of the objects", func(s *settings) { s.items /= 1000 }},
		{"the coordinator and a worker die", func(s *settings) { s.hostDies, s.workerDies = 10*time.Minute, 20*time.Minute }},
		{"1,000 workers, one workflow, one lease a worker", func(s *settings) { s.workers, s.atOnce = 1000, 1 }},
		{"1,000 workers in 4 child workflows: one of them", func(s *settings) { s.workers, s.items = 250, s.items/4 }},
	} {
		set := base
		c.change(&set)
		fmt.Printf("%s: %d objects\n", c.name, set.items)
		print(set, simulate(set))
	}
	breaks()
}

func print(c settings, f figures) {
	fmt.Printf("  wall %v, ideal %v, ratio %.3f\n", f.wall.Round(time.Second), f.ideal.Round(time.Second), f.wall.Seconds()/f.ideal.Seconds())
	fmt.Printf("  leases %d, %.1f a second, at most %d in flight; lost %d; %d gave their rest back early\n",
		f.leases, float64(f.leases)/f.wall.Seconds(), f.inFlight, f.lost, f.sheds)
	fmt.Printf("  history %.0f B and %.2f events a lease; in all %.0f MB, %.0f events; continued as new %d times\n",
		f.bytes/float64(f.leases), f.events/float64(f.leases), f.bytes/1e6, f.events, f.continued)
	fmt.Printf("  orders written %d times, root records %d; state at most %.0f KB; state machine %.0f us a lease, %.1f s in all; server %.0f s\n",
		f.orders, f.absorbs, float64(f.state)/1e3, float64(f.cpu.Microseconds())/float64(f.leases), f.cpu.Seconds(),
		(time.Duration(f.leases) * serverCPU).Seconds())
	if c.hostDies > 0 {
		fmt.Printf("  the host dies: as many leases in flight after %.1f s\n", f.recovery.Seconds())
	}
	fmt.Printf("  another host that takes over seals at most %d lanes: %.1f s\n\n", f.unabsorbed, (time.Duration(f.unabsorbed) * sealLane).Seconds())
}

// breaks prints which limit of a workflow many workers reach first.
func breaks() {
	fmt.Println("Limits of one workflow, with 3 leases of 30 s a worker: 2,000 pending activities, 51,200 events, 50 MB.")
	fmt.Println("  workers  leases in flight  leases a second  events a second  seconds to 30,000 events")
	for _, n := range []int{100, 250, 333, 667, 1000, 4000} {
		perSecond := float64(3*n) / 30
		fmt.Printf("  %7d  %16d  %15.1f  %15.0f  %24.0f\n", n, 3*n, perSecond, perSecond*leaseEvents, maxEvents/(perSecond*leaseEvents))
	}
	fmt.Println("  The pending activities break first, at 667 workers; the state machine stops at 1,000 leases, 333 workers.")
}
