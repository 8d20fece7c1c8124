package dmap

// recovering turns a panic of f, which calls code of the user, into an error.
func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = newPanicError(p)
		}
	}()
	return f()
}

// isolated is recovering on a goroutine of its own, for which it waits: a Goexit becomes an error
// too.
func isolated(f func() error) error {
	err := ErrGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = recovering(f)
	}()
	<-done
	return err
}
