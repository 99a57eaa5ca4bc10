// Package proxyhead reads and writes the header by which a proxy in front says
// whose connection it passes on: the PROXY protocol, versions 1 and 2. It does no
// I/O; a header that is read may come in any pieces.
package proxyhead

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Most is the longest header that is taken, in octets. Version 1 has 107 at
// most; of version 2 this leaves more than a kilobyte for TLVs.
const Most = 2 << 10

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n" // begins a header of version 2
	fixed     = len(signature) + 4       // of version 2; then come addresses and TLVs
	mostLine  = 107                      // of version 1, with its CRLF
)

var errLong = errors.New("proxyhead: header longer than 2048 octets, or than 107 of version 1")

// Header is what a header says. The addresses are not valid where it names
// none: then the connection's own hold.
type Header struct {
	Remote, Local netip.AddrPort
}

// Parse reads the header that p begins with and returns its length; 0 says that
// p may be the beginning of one and that more is needed. It reads no further
// than that, and what cannot become a header is an error at once.
func Parse(p []byte) (h Header, size int, err error) {
	size, err = length(p)
	if size == 0 || err != nil {
		return Header{}, 0, err
	}
	got, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(p[:size]), Most))
	if err != nil {
		return Header{}, 0, err
	}
	// A LOCAL header is of a connection that the proxy itself makes, to probe:
	// it has its own addresses.
	if from, to, ok := got.TCPAddrs(); ok && !got.Command.IsLocal() {
		h.Remote, h.Local = addrPort(from), addrPort(to)
	}
	return h, size, nil
}

// length returns how long the header at the start of p is, and 0 as long as p
// does not hold all of it. What cannot be one is all of it, so that the parser
// says why.
func length(p []byte) (int, error) {
	if n := min(len(p), len(signature)); string(p[:n]) == signature[:n] {
		if len(p) < fixed {
			return 0, nil
		}
		size := fixed + int(binary.BigEndian.Uint16(p[fixed-2:]))
		switch {
		case size > Most:
			return 0, errLong
		case size > len(p):
			return 0, nil
		}
		return size, nil
	}
	if i := bytes.IndexByte(p[:min(len(p), mostLine)], '\n'); i >= 0 {
		return i + 1, nil
	}
	const begin = "PROXY "
	switch n := min(len(p), len(begin)); {
	case string(p[:n]) != begin[:n]:
		return len(p), nil
	case len(p) >= mostLine:
		return 0, errLong
	}
	return 0, nil
}

// addrPort returns a as cores and limits use it.
func addrPort(a *net.TCPAddr) netip.AddrPort {
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Append appends to dst a header of that version for a connection from remote to
// local, which one not valid says nothing of: the server then takes those of the
// connection itself.
func Append(dst []byte, version int, remote, local netip.AddrPort) []byte {
	var from, to net.Addr
	if remote.IsValid() && local.IsValid() {
		from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()))
		to = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local.Addr().Unmap().WithZone(""), local.Port()))
	}
	p, err := proxyproto.HeaderProxyFromAddrs(byte(version), from, to).Format()
	if err != nil {
		panic("BUG: a PROXY header of TCP addresses: " + err.Error())
	}
	return append(dst, p...)
}
