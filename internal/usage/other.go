//go:build !unix

package usage

// Now returns the zero Usage: this system has no getrusage.
func Now() Usage { return Usage{} }
