//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package progress

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// listen begins to read keys; nil: file is no terminal, or this process is in its background.
func listen(file *os.File) *keyboard {
	t := &terminal{file: file, fd: int(file.Fd())}
	if !t.foreground() || t.setKeys() != nil {
		return nil
	}
	k := &keyboard{pressed: make(chan byte), stop: make(chan struct{}), lost: make(chan struct{}), done: make(chan struct{})}
	go k.read(t)
	return k
}

// terminal is a terminal whose mode a keyboard changes.
type terminal struct {
	file *os.File
	fd   int
	was  unix.Termios
}

// foreground reports whether the terminal is that of this process group. One in the background
// would be stopped by changing its mode.
func (t *terminal) foreground() bool {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// setKeys has the terminal pass on keys at once, without an echo, and without signals: a key that
// sends one leaves the terminal as it was first. Output stays as it is. A read waits for at most
// 100 ms, so that the reading of keys can end.
func (t *terminal) setKeys() error {
	was, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		return err
	}
	t.was = *was
	now := *was
	now.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 0, 1
	return unix.IoctlSetTermios(t.fd, setTermios, &now)
}

func (t *terminal) restore() { _ = unix.IoctlSetTermios(t.fd, setTermios, &t.was) }

// read reads keys until stop is closed, or the terminal is gone.
func (k *keyboard) read(t *terminal) {
	defer close(k.done)
	defer close(k.lost)
	listening := true
	defer func() {
		if listening {
			t.restore()
		}
	}()
	var key [1]byte
	fast := 0 // reads in a row that returned nothing before their time
	for {
		select {
		case <-k.stop:
			return
		default:
		}
		began := time.Now()
		n, err := unix.Read(t.fd, key[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return
		case n == 0 && time.Since(began) > 20*time.Millisecond:
			fast = 0
			continue
		case n == 0:
			if fast++; fast > 100 { // the terminal has hung up
				return
			}
			continue
		}
		if s := signalOf(key[0]); s != 0 {
			listening = false
			t.restore()
			_ = unix.Kill(0, s) // the process group, as the terminal does
			if s != unix.SIGTSTP || !k.resumed(t) {
				return
			}
			listening = true
			continue
		}
		select {
		case k.pressed <- key[0]:
		case <-k.stop:
			return
		}
	}
}

// signalOf is the signal that a terminal sends at a key; 0: none.
func signalOf(key byte) unix.Signal {
	switch key {
	case ctrlC:
		return unix.SIGINT
	case ctrlBackslash:
		return unix.SIGQUIT
	case ctrlZ:
		return unix.SIGTSTP
	default:
		return 0
	}
}

// resumed waits a moment, in which the signal stops the process. It returns true if keys are read
// again: the process is in the foreground.
func (k *keyboard) resumed(t *terminal) bool {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-k.stop:
		return false
	}
	k.background = !t.foreground()
	return !k.background && t.setKeys() == nil
}
