package pacing

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// free is the congestion control that every process may choose on every Linux:
// tcp(7), tcp_allowed_congestion_control.
const free = "reno"

// release takes fd out of pacing, if that is of no use to it. What cannot be told
// or set stays as the system has it.
func release(fd int) {
	control, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err != nil {
		return
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Min_rtt == math.MaxUint32 { // none was measured
		return
	}
	if paced(control, time.Duration(info.Min_rtt)*time.Microsecond) {
		_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, free)
	}
}
