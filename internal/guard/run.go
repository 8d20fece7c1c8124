package guard

// Returns runs f on a goroutine of its own and waits for it. It is false if f ended the goroutine.
// A panic of f is one of the caller.
func Returns(f func()) (returned bool) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
		returned = true
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return returned
}
