package progress

import "os"

// keyboard reads single keys from a terminal. It leaves the terminal as it was when it is closed,
// or when a key sends a signal. A nil keyboard has no keys.
type keyboard struct {
	pressed chan byte

	stop chan struct{}
	done chan struct{} // closed when the terminal is as it was
}

// openKeyboard reads the keys of the standard input; nil: it is no terminal of this process, or
// keys cannot be read here.
func openKeyboard() *keyboard { return listen(os.Stdin) }

// close ends the reading of keys, and waits for that.
func (k *keyboard) close() {
	if k == nil {
		return
	}
	close(k.stop)
	<-k.done
}

// Keys that send a signal, as a terminal would.
const (
	ctrlC         = 0x03
	ctrlZ         = 0x1a
	ctrlBackslash = 0x1c
)
