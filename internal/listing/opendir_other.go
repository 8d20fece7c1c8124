//go:build !unix

package listing

const openDir = 0
