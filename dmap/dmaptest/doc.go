// Package dmaptest tests sources, sinks and whole jobs: conformance suites for [dmap.Source] and
// [dmap.Sink], a bucket that fails on demand, and a gauge of concurrency.
//
// A suite runs on a source or sink of your own in a few lines of a test:
//
//	func TestOrders(t *testing.T) {
//		dmaptest.TestSource(t, func(tb testing.TB) dmap.Source[Order] {
//			return openOrders(tb, "orders.txt")
//		})
//	}
//
// [FaultBucket] makes the n-th open, read, page or write of any bucket fail, stall or return wrong
// data. [Gauge] counts the calls in flight and their highest number.
package dmaptest
