//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps Ctrl-C in the terminal from the process: the program stops it, in order.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
