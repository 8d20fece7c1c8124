package dmap

import "sync/atomic"

// counts are the counters of a run. Successes are spread over shards, so that workers on many cores do not write to one
// cache line; the others are rare or added per chunk.
type counts struct {
	read, failed, skipped atomic.Int64
	calls, retries        atomic.Int64
	abandoned             atomic.Int64
	succeeded             [64]shard
}

type shard struct {
	n atomic.Int64
	_ [56]byte // a cache line each
}

func (c *counts) shard(worker int) *atomic.Int64 { return &c.succeeded[worker%len(c.succeeded)].n }

func (c *counts) successes() int64 {
	var n int64
	for i := range c.succeeded {
		n += c.succeeded[i].n.Load()
	}
	return n
}

// settled returns failures and all settled items. Failures are loaded last, so that a failure is never judged without the
// successes that came before it.
func (c *counts) settled() (failed, all int64) {
	succeeded := c.successes()
	failed = c.failed.Load()
	return failed, failed + succeeded
}
