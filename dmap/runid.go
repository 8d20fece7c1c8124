package dmap

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// newRunID makes an ID that sorts by time: "20261123T061500Z-9f86d081884c7d65".
func newRunID() string {
	var chance [8]byte
	rand.Read(chance[:]) // never fails (crypto/rand, Go 1.24)
	return time.Now().UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(chance[:])
}
