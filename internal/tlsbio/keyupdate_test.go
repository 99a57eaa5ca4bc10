package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"casbah/internal/tlsbio/tlsbiotest"
)

// keyed is an established pair, and the keys of both directions.
func keyed(t *testing.T) (p *pair, up, down *tlsbiotest.Traffic) {
	t.Helper()
	var log bytes.Buffer
	server := serverConfig(tls.VersionTLS13)
	server.KeyLogWriter = &log
	server.SessionTicketsDisabled = true // no record has gone down
	p = newPair(t, clientConfig(), server)
	p.shake(t)
	if suite := p.server.State().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("AES is not preferred here, but ", tls.CipherSuiteName(suite))
	}
	return p, tlsbiotest.NewTraffic(t, log.String(), tlsbiotest.ClientTraffic), tlsbiotest.NewTraffic(t, log.String(), tlsbiotest.ServerTraffic)
}

// open takes one record of d off q and returns its type and text.
func (q *queue) open(tb testing.TB, d *tlsbiotest.Traffic) (typ byte, text string) {
	tb.Helper()
	r, rest, err := d.Open(q.b)
	if err != nil {
		tb.Fatal("record does not open: ", err)
	}
	q.b = rest
	return r.Type, r.Text
}

// TestKeyUpdate: the answer to a key update leaves within Read, through the
// sink, and both directions go on under new keys. RFC 8446, Section 4.6.3.
func TestKeyUpdate(t *testing.T) {
	p, up, down := keyed(t)
	p.up.Sealed(up.Seal(tlsbiotest.DataRecord, "old"))
	p.up.Sealed(up.Seal(tlsbiotest.HandshakeRecord, tlsbiotest.KeyUpdateAlone))
	up = up.Next(t)
	p.up.Sealed(up.Seal(tlsbiotest.DataRecord, "new"))
	wantRead(t, p.server, &p.up, "oldnew", ErrAgain)
	if len(p.down.b) != 0 {
		t.Fatalf("%d octets answer an update without a request", len(p.down.b))
	}

	p.up.Sealed(up.Seal(tlsbiotest.HandshakeRecord, tlsbiotest.KeyUpdateAsked))
	up = up.Next(t)
	wantRead(t, p.server, &p.up, "", ErrAgain)
	if typ, text := p.down.open(t, down); typ != tlsbiotest.HandshakeRecord || text != tlsbiotest.KeyUpdateAlone {
		t.Fatalf("answer is %d %q", typ, text)
	}
	down = down.Next(t)
	write(t, p.server, "answer")
	if typ, text := p.down.open(t, down); typ != tlsbiotest.DataRecord || text != "answer" {
		t.Fatalf("answer is %d %q", typ, text)
	}
	p.up.Sealed(up.Seal(tlsbiotest.DataRecord, "newer"))
	wantRead(t, p.server, &p.up, "newer", ErrAgain)
	p.server.CloseWrite()
	if typ, text := p.down.open(t, down); typ != 21 || text != "\x01\x00" || len(p.down.b) != 0 {
		t.Fatalf("end is %d %q", typ, text)
	}
}

// TestKeyUpdateInPieces cuts the message into records, and these into octets.
func TestKeyUpdateInPieces(t *testing.T) {
	p, up, down := keyed(t)
	for i := range len(tlsbiotest.KeyUpdateAsked) {
		for _, octet := range up.Seal(tlsbiotest.HandshakeRecord, tlsbiotest.KeyUpdateAsked[i:i+1]) {
			p.server.Feed([]byte{octet})
			if n, err := p.server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrAgain) {
				t.Fatalf("octet %d of the message: %d, %v", i, n, err)
			}
		}
	}
	p.up.Sealed(up.Next(t).Seal(tlsbiotest.DataRecord, "new"))
	wantRead(t, p.server, &p.up, "new", ErrAgain)
	if typ, text := p.down.open(t, down); typ != tlsbiotest.HandshakeRecord || text != tlsbiotest.KeyUpdateAlone {
		t.Fatalf("answer is %d %q", typ, text)
	}
}

// TestKeyUpdateFlood ends a connection that does nothing else, so that what a
// peer can make the sink take without sending octets of its own is bounded.
func TestKeyUpdateFlood(t *testing.T) {
	p, up, _ := keyed(t)
	for range 100 {
		p.up.Sealed(up.Seal(tlsbiotest.HandshakeRecord, tlsbiotest.KeyUpdateAsked))
		up = up.Next(t)
	}
	_, err := readAll(p.server, &p.up)
	if err == nil || errors.Is(err, ErrAgain) || errors.Is(err, io.EOF) {
		t.Fatalf("Read() = %v after 100 key updates; want it to fail", err)
	}
	if len(p.down.b) > 1000 {
		t.Errorf("%d octets answer them", len(p.down.b))
	}
}
