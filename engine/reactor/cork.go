//go:build linux

package reactor

import "golang.org/x/sys/unix"

// cork has the system hold back the end of what is written while more is being
// read. One read, sealed, is some full packets and a bit, which would leave as a
// packet of its own, for which the peer wakes; it leaves with what follows instead,
// and at the latest when the leg that is read has been left. For reads that are
// sealed: other long ones are spliced.
type cork struct {
	more bool // the leg that is being read has not been read to its end
	leg  *leg // whose octets the system may hold back; nil: nobody's
}

// write writes p to l, as write does.
func (k *cork) write(l *leg, p []byte) (int, unix.Errno) {
	if k.leg != l {
		k.pull()
	}
	k.leg = nil
	if !k.more {
		return write(int(l.fd), p)
	}
	k.leg = l
	return writeMore(int(l.fd), p)
}

// pull sends off what is held back.
func (k *cork) pull() {
	if l := k.leg; l != nil && l.fd >= 0 {
		push(int(l.fd))
	}
	k.leg = nil
}
