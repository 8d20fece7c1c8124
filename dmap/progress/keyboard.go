package progress

import "os"

// keyboard reads single keys from a terminal. It leaves the terminal as it was when it is closed,
// or when a key sends a signal. A nil keyboard has no keys.
type keyboard struct {
	pressed chan byte

	stop chan struct{}
	lost chan struct{} // closed when keys are not read any more; nil: that is never so
	done chan struct{} // closed when the terminal is as it was

	background bool // with lost: the process is in the background of its terminal, and may come back
}

// keys are those that are pressed.
func (k *keyboard) keys() <-chan byte {
	if k == nil {
		return nil
	}
	return k.pressed
}

// ended is closed when keys are not read any more.
func (k *keyboard) ended() <-chan struct{} {
	if k == nil {
		return nil
	}
	return k.lost
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
