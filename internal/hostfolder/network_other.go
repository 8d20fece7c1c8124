//go:build !linux

package hostfolder

// Network is empty: this system is not asked.
func Network(string) string { return "" }
