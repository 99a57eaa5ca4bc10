package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/protocols/rpchttp"
)

const rpcPath = "/rpc/rpcproxy.dll?mbx@lab.test:6001"

func newCookie() (c Cookie) {
	_, _ = rand.Read(c[:])
	return c
}

// openChannel sends the head of a channel and what follows it.
func (w *wire) openChannel(method, version string, length int64, body []byte) *wire {
	w.t.Helper()
	w.write(fmt.Sprintf("%s %s HTTP/%s\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, rpcPath, version, basicAuth("alice", "Secret1"), length, body))
	return w
}

// pdu reads the next PDU that is not a ping.
func (w *wire) pdu() []byte {
	w.t.Helper()
	for {
		p, err := ReadPDU(w.r)
		if err != nil {
			w.t.Fatalf("after %d octets of a PDU: %v", len(p), err)
		}
		if !bytes.Equal(p, pingPDU()) {
			return p
		}
	}
}

// request returns an RPC request PDU with that body.
func requestPDU(body string) []byte {
	p := []byte{5, 0, 0, 3, 0x10, 0, 0, 0}
	p = binary.LittleEndian.AppendUint16(p, uint16(pduLeast+len(body)))
	p = append(p, make([]byte, 6)...)
	return append(p, body...)
}

func TestEchoRequest(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	for _, method := range []string{methodIn, methodOut} {
		w := dial(t, a.CAS(0)).openChannel(method, "1.1", 0, nil)
		status, fields := w.head()
		if status != "HTTP/1.1 200 Success" || !slices.Contains(fields, "Content-Length: 20") || !slices.Contains(fields, "Content-Type: application/rpc") {
			t.Errorf("%s: %q %q", method, status, fields)
		}
		if got := w.pdu(); !bytes.Equal(got, echoPDU()) {
			t.Errorf("%s: body %x; want %x", method, got, echoPDU())
		}
	}
}

func TestVirtualConnection(t *testing.T) {
	for _, version := range []string{"1.1", "1.0"} {
		t.Run(version, func(t *testing.T) {
			a := newArray(t, Options{Servers: 1, Interval: 5 * time.Millisecond})
			virtual := newCookie()
			out := dial(t, a.CAS(0)).openChannel(methodOut, version, 76, ConnA1(virtual, newCookie()))
			status, fields := out.head()
			if want := "HTTP/" + version + " 200 Success"; status != want || !slices.Contains(fields, "Content-Length: 1073741824") {
				t.Fatalf("OUT: %q %q; want %q", status, fields, want)
			}
			if got := out.pdu(); !bytes.Equal(got, connA3()) {
				t.Errorf("first PDU = %x; want CONN/A3", got)
			}
			in := dial(t, a.CAS(0)).openChannel(methodIn, version, 1<<30, ConnB1(virtual, newCookie(), newCookie()))
			if got := out.pdu(); !bytes.Equal(got, connC2()) {
				t.Errorf("second PDU = %x; want CONN/C2", got)
			}
			for _, body := range []string{"hello", strings.Repeat("x", 5000)} {
				in.write(string(requestPDU(body)))
				if got := out.pdu(); !bytes.Equal(got, requestPDU(body)) {
					t.Errorf("echo of %d octets = %d octets %.40x", len(body), len(got), got)
				}
			}
			in.Close() // ends the OUT channel too
			for err := error(nil); err == nil; {
				_, err = ReadPDU(out.r)
			}
			until(t, "both channels are gone", func() bool { return a.CAS(0).Counts().Open == 0 })
		})
	}
}

// A channel that ran to its declared length is replaced, and the virtual
// connection goes on.
func TestInChannelIsReplaced(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: 5 * time.Millisecond})
	virtual := newCookie()
	out := dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 76, ConnA1(virtual, newCookie()))
	out.head()
	out.pdu()
	for _, body := range []string{"first", "second"} {
		whole := append(ConnB1(virtual, newCookie(), newCookie()), requestPDU(body)...)
		in := dial(t, a.CAS(0)).openChannel(methodIn, "1.1", int64(len(whole)), whole)
		if body == "first" {
			out.pdu() // CONN/C2, once
		}
		if got := out.pdu(); !bytes.Equal(got, requestPDU(body)) {
			t.Errorf("echo of %q = %q", body, got)
		}
		if status, _ := in.head(); status != "HTTP/1.1 200 Success" {
			t.Errorf("IN: %q", status)
		}
	}
}

// An OUT channel is replaced by one whose second PDU comes later, and the virtual
// connection goes on.
func TestOutChannelIsReplaced(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: 5 * time.Millisecond})
	virtual, first, second := newCookie(), newCookie(), newCookie()
	out := dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 76, ConnA1(virtual, first))
	out.head()
	out.pdu()
	in := dial(t, a.CAS(0)).openChannel(methodIn, "1.1", 1<<30, ConnB1(virtual, newCookie(), newCookie()))
	out.pdu() // CONN/C2
	next := dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 120, rpchttp.AppendOutR1A3(nil, virtual, first, second))
	if status, _ := next.head(); status != "HTTP/1.1 200 Success" {
		t.Fatalf("the new channel: %q", status)
	}
	next.write(string(rpchttp.AppendOutR1A11(nil)))
	for err := error(nil); err == nil; { // the old one ends
		_, err = ReadPDU(out.r)
	}
	in.write(string(requestPDU("hello")))
	if got := next.pdu(); !bytes.Equal(got, requestPDU("hello")) {
		t.Errorf("echo on the new channel = %q", got)
	}
}

// The OUT channel's end ends the IN channel.
func TestOutChannelLost(t *testing.T) {
	a := newArray(t, Options{Servers: 1, Interval: 5 * time.Millisecond})
	virtual := newCookie()
	out := dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 76, ConnA1(virtual, newCookie()))
	out.head()
	in := dial(t, a.CAS(0)).openChannel(methodIn, "1.1", 1<<30, ConnB1(virtual, newCookie(), newCookie()))
	out.pdu()
	out.pdu()
	out.Close()
	if n, err := in.r.ReadByte(); err == nil {
		t.Errorf("IN channel was answered %q; want its end", n)
	}
}

func TestInChannelIsAnsweredAtItsEnd(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b1 := ConnB1(newCookie(), newCookie(), newCookie())
	body := append(bytes.Clone(b1), make([]byte, 100_000)...)
	w := dial(t, a.CAS(0)).openChannel(methodIn, "1.1", int64(len(body)), body)
	status, fields := w.head()
	if want := fmt.Sprintf("X-Lab-Octets: %d", len(body)); status != "HTTP/1.1 200 Success" || !slices.Contains(fields, want) {
		t.Errorf("IN: %q %q; want %q", status, fields, want)
	}
}

// A client that does not speak RTS can try a channel all the same.
func TestChannelWithoutPDUs(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	w := dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 1<<30, bytes.Repeat([]byte("x"), 76))
	if status, _ := w.head(); status != "HTTP/1.1 200 Success" {
		t.Errorf("OUT: %q", status)
	}
	if got := w.pdu(); !bytes.Equal(got, connA3()) {
		t.Errorf("first PDU = %x; want CONN/A3", got)
	}
}

func TestSplitIsCounted(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	virtual := newCookie()
	dial(t, a.CAS(0)).openChannel(methodOut, "1.1", 76, ConnA1(virtual, newCookie())).head()
	dial(t, a.CAS(1)).openChannel(methodIn, "1.1", 1<<30, ConnB1(virtual, newCookie(), newCookie()))
	until(t, "the split is counted", func() bool { return a.CAS(1).Counts().Splits == 1 })
}

func TestRPCAuthentication(t *testing.T) {
	tests := []struct {
		name   string
		o      Options
		header string
		want   string
	}{
		{"none", Options{Servers: 1}, "", "HTTP/1.1 401 Unauthorized"},
		{"wrong", Options{Servers: 1}, "Authorization: " + basicAuth("alice", "x") + "\r\n", "HTTP/1.1 401 Unauthorized"},
		{"right", Options{Servers: 1}, "Authorization: " + basicAuth("alice", "Secret1") + "\r\n", "HTTP/1.1 200 Success"},
		{"anonymous", Options{Servers: 1, AnonymousRPC: true}, "", "HTTP/1.1 200 Success"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := dial(t, newArray(t, tt.o).CAS(0))
			w.write("RPC_OUT_DATA /rpcwithcert/rpcproxy.dll HTTP/1.1\r\nHost: h\r\n" + tt.header + "Content-Length: 0\r\n\r\n")
			if got, _ := w.head(); got != tt.want {
				t.Errorf("status line %q; want %q", got, tt.want)
			}
		})
	}
}

// An interim response keeps its own phrase, and the client's body waits for it.
func TestExpectContinueOnChannel(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	w := dial(t, a.CAS(0))
	w.write("RPC_OUT_DATA " + rpcPath + " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 76\r\n" +
		"Authorization: " + basicAuth("alice", "Secret1") + "\r\n\r\n")
	if got, _ := w.head(); got != "HTTP/1.1 100 Continue" {
		t.Fatalf("interim response %q", got)
	}
	w.write(string(ConnA1(newCookie(), newCookie())))
	if got, _ := w.head(); got != "HTTP/1.1 200 Success" {
		t.Errorf("status line %q", got)
	}
}

func FuzzReadPDU(f *testing.F) {
	f.Add(ConnA1(Cookie{1}, Cookie{2}))
	f.Add(requestPDU("x"))
	f.Add([]byte{5, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		p, err := ReadPDU(r)
		if !bytes.HasPrefix(in, p) {
			t.Fatalf("read %x from %x", p, in)
		}
		if rest, _ := io.ReadAll(r); err == nil && len(p)+len(rest) != len(in) {
			t.Fatalf("took %d octets for a PDU of %d", len(in)-len(rest), len(p))
		}
	})
}
