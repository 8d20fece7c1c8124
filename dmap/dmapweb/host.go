package dmapweb

import (
	"net"
	"net/netip"
	"strings"
)

// hosts decides which Host headers the page answers.
type hosts map[string]bool

func newHosts(names []string) hosts {
	h := hosts{"localhost": true}
	for _, name := range names {
		h[normalHost(name)] = true
	}
	return h
}

// allows reports whether the page answers requests to a Host header. Only names can be rebound by
// DNS, so addresses are allowed.
func (h hosts) allows(header string) bool {
	name := header
	if host, port, err := net.SplitHostPort(header); err == nil {
		if !isPort(port) {
			return false
		}
		name = host
	} else if strings.HasPrefix(header, "[") && strings.HasSuffix(header, "]") {
		name = header[1 : len(header)-1]
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Zone() == ""
	}
	return h[normalHost(name)]
}

func isPort(text string) bool {
	if text == "" || len(text) > 5 {
		return false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// normalHost is a name in lower case and without the dot of the root.
func normalHost(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// isLoopback reports whether a remote address, with a port, is one of this machine.
func isLoopback(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && at.Addr().Unmap().IsLoopback()
}
