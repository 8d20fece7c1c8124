// Package flow decides how fast requests to a server may start: by a rate that the user sets, and
// by what the server answers. Its types are pure: the caller passes the time, and guards them by a
// lock.
package flow

import (
	"math"
	"time"
)

// Bucket is a token bucket. It gains rate tokens a second, up to burst. The zero Bucket has no
// limit.
type Bucket struct {
	rate, burst float64
	tokens      float64 // at the time at; negative: a debt
	at          time.Time
}

// Set changes the rate and the burst, which is at least 1. A rate of 0 or less is no limit. A
// bucket that had no limit starts full. Another keeps its tokens, and its debt: that is paid at the
// new rate.
func (b *Bucket) Set(now time.Time, rate, burst float64) {
	if rate <= 0 {
		*b = Bucket{}
		return
	}
	if b.advance(now); !b.Limited() {
		b.tokens, b.at = burst, now
	}
	b.rate, b.burst = rate, burst
	b.tokens = min(b.tokens, burst)
}

// Empty takes all tokens away, but keeps a debt.
func (b *Bucket) Empty(now time.Time) {
	b.advance(now)
	b.tokens = min(b.tokens, 0)
}

// Limited reports whether the bucket has a limit.
func (b *Bucket) Limited() bool { return b.rate > 0 }

// Rate is the rate; 0: there is no limit.
func (b *Bucket) Rate() float64 { return b.rate }

// advance adds the tokens gained until now.
func (b *Bucket) advance(now time.Time) {
	if !b.Limited() || !now.After(b.at) {
		return
	}
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
}

// longestWait bounds a wait: callers ask again after it. Rates may be tiny.
const longestWait = time.Hour

// rounding is the share of a token that the arithmetic may lose.
const rounding = 1e-6

// Wait returns how long to wait until n tokens may be taken: 0 if they may be taken now. More than
// the burst may be taken when the bucket is full: then a debt remains, so that a batch that is
// larger than the burst does not wait for ever, and the rate holds nevertheless.
func (b *Bucket) Wait(now time.Time, n float64) time.Duration {
	if !b.Limited() {
		return 0
	}
	b.advance(now)
	missing := min(n, b.burst) - b.tokens
	if missing <= rounding {
		return 0
	}
	seconds := missing / b.rate
	if seconds >= longestWait.Seconds() {
		return longestWait
	}
	return max(time.Duration(math.Ceil(seconds*float64(time.Second))), 1)
}

// Available returns how many of n single tokens may be taken now, one after the other.
func (b *Bucket) Available(now time.Time, n int) int {
	if !b.Limited() {
		return n
	}
	b.advance(now)
	return int(max(0, min(math.Floor(b.tokens+rounding), float64(n))))
}

// Take takes n tokens. A negative n returns some.
func (b *Bucket) Take(n float64) {
	if b.Limited() {
		b.tokens = min(b.burst, b.tokens-n)
	}
}
