package route

import "sync/atomic"

// TLSVersions are the versions that Handshakes tells apart, the oldest first.
var TLSVersions = [...]uint16{0x0301, 0x0302, 0x0303, 0x0304}

// Handshakes counts those of TLS with the clients of a VIP that came to an
// agreement, by TLSVersions. Those that failed are refusals.
type Handshakes struct {
	Full, Resumed [len(TLSVersions)]atomic.Uint64
}

// Count adds a handshake.
func (h *Handshakes) Count(version uint16, resumed bool) {
	for i := range TLSVersions {
		switch {
		case TLSVersions[i] != version:
		case resumed:
			h.Resumed[i].Add(1)
		default:
			h.Full[i].Add(1)
		}
	}
}
