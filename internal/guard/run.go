package guard

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// Patience is how long a method of a user's value may take until its call is given up. Its
// goroutine keeps running, which nothing in Go can end.
const Patience = 10 * time.Second

// Failure says how a call failed. The empty Failure is that of a call that has returned.
type Failure string

// Exited is the Failure of a call that ended its goroutine.
const Exited Failure = "ended its goroutine"

// Hangs reports whether the call did not return, so that another may not, either.
func (f Failure) Hangs() bool { return strings.HasPrefix(string(f), "did not") || f == Exited }

// Call runs f, which calls methods or functions that a user wrote, on a goroutine of its own, and
// returns its result. A panic, a Goexit, and a call that does not return within Patience are a
// Failure, and the result is zero. f must not write to variables of the caller: it may still run.
func Call[T any](f func() T) (T, Failure) {
	type result struct {
		value T
		how   Failure
	}
	done := make(chan result, 1)
	go func() {
		r := result{how: Exited}
		defer func() {
			if p := recover(); p != nil {
				r.how = Panicked(p)
			}
			done <- r
		}()
		r.value = f()
		r.how = ""
	}()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	select {
	case r := <-done:
		if r.how != "" {
			r.value = *new(T)
		}
		return r.value, r.how
	case <-limit.C:
		return *new(T), Failure(fmt.Sprintf("did not return within %v", Patience))
	}
}

// Panicked describes a panic without a call of a method of its value.
func Panicked(p any) Failure {
	switch p := p.(type) {
	case string:
		return Failure("panicked: " + p[:min(len(p), 200)])
	case runtime.Error:
		if strings.HasPrefix(fmt.Sprintf("%T", p), "runtime.") {
			return Failure("panicked: " + p.Error())
		}
		return Failure(fmt.Sprintf("panicked with a %T", p))
	default:
		return Failure(fmt.Sprintf("panicked with a %T", p))
	}
}
