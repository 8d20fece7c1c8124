//go:build !linux

package progress

// child is the program of tests that need Linux.
func child(string) {}
