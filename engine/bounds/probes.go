package bounds

import "time"

// Probes returns after how much silence the n-th leg is probed by TCP, and how
// much passes between probes without an answer: a firewall that forgets idle
// connections, and a peer that has vanished, are noticed. Neighbours differ: of
// thousands that came together, and are probed together, some find a queue on the
// way full, the same ones each time, and are taken for dead (bench/idleimap).
func Probes(n int) (silence, interval time.Duration) {
	return time.Duration(30+n%31) * time.Second, time.Duration(10+n%11) * time.Second
}
