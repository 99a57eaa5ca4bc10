//go:build linux

package reactor

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
	"casbah/internal/tlsbio/tlsbiotest"
)

// A client that asks for key updates may have as many as it likes, but not while it
// takes none of the answers: they would be kept for it.
func TestAnswersToKeyUpdatesAreBounded(t *testing.T) {
	const batch = 100
	var got atomic.Int64
	ended := make(chan error, 1)
	core := &enginetest.Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			got.Add(int64(len(p)))
			if bytes.IndexByte(p, '!') >= 0 {
				d.Send(l, make([]byte, 16<<20)) // more than the system keeps for a client that does not read
			}
			return len(p)
		},
		OnEnd: func(_ engine.Leg, err error, _ engine.Driver) { ended <- err },
	}
	r := newRig(t, &engine.Listener{New: enginetest.Fixed(core), TLS: enginetest.ServerTLS()})
	raw := enginetest.Dial(t, r.at)
	var keyLog bytes.Buffer
	cfg := enginetest.ClientTLS()
	cfg.MinVersion, cfg.KeyLogWriter = tls.VersionTLS13, &keyLog
	nc := tls.Client(raw, cfg)
	if err := nc.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if suite := nc.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("AES is not preferred here, but ", tls.CipherSuiteName(suite))
	}
	up := tlsbiotest.NewTraffic(t, keyLog.String(), tlsbiotest.ClientTraffic)
	update := func() string { // a request, and an octet behind it
		record := up.Seal(tlsbiotest.HandshakeRecord, tlsbiotest.KeyUpdateAsked)
		up = up.Next(t)
		return string(append(record, up.Seal(tlsbiotest.DataRecord, ".")...))
	}
	for sent := 0; sent < 10*batch; { // 27 octets each: more than mostAnswers
		var records strings.Builder
		for range batch {
			records.WriteString(update())
		}
		enginetest.Send(t, raw, records.String())
		sent += batch
		enginetest.Becomes(t, "octets between key updates", func() int { return int(got.Load()) }, sent)
	}
	enginetest.Send(t, raw, string(up.Seal(tlsbiotest.DataRecord, "!")))
	for range 10 * batch {
		if _, err := raw.Write([]byte(update())); err != nil {
			break // it was closed already
		}
	}
	if err := enginetest.Receive(t, ended, "end of a client that takes no answers"); !errors.Is(err, errAnswers) {
		t.Errorf("it ended with %v; want %v", err, errAnswers)
	}
}

// What a client sends while its handshake waits for its turn stays in its socket.
func TestHandshakeIsNotReadAheadOfItsTurn(t *testing.T) {
	r := newRig(t, &engine.Listener{TLS: enginetest.ServerTLS()})
	nc := enginetest.Dial(t, r.at)
	r.wantLegs(1, 0)
	client := func(f func(l *leg)) { r.on(func(lp *loop) { f(lp.conns[0].legs[engine.Client]) }) }
	client(func(l *leg) { l.shaking = true }) // behind many others
	enginetest.Send(t, nc, strings.Repeat("x", 100))
	enginetest.Becomes(t, "legs that have octets", func() (n int) {
		client(func(l *leg) {
			if l.hot {
				n++
			}
		})
		return n
	}, 1)
	client(func(l *leg) {
		if silent(int(l.fd)) {
			t.Error("they were read")
		}
		l.shaking = false
		l.shake() // its turn has come
	})
	if why := enginetest.Receive(t, r.why, "refusal"); why != engine.Handshake {
		t.Errorf("refused because of %v; want %v", why, engine.Handshake)
	}
}
