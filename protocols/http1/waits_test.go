package http1

import (
	"cmp"
	"testing"
	"time"

	"casbah/profiles"
	"casbah/protocols/rpchttp"
	"casbah/route"
)

// Waits that the protocols make on purpose, with the times that ship: an answer is not
// missed because it took as long as it may, however long that is, and a stream has no
// end of its own. A client that never comes back is noticed all the same.
func TestShippedTimesBearWaits(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		profile, method string
		wait            time.Duration // of silence
		begins          string        // of the response, before the wait; empty: nothing comes before
		pulse           string        // that ends each wait but the last
	}{
		{"eas", "POST", 59 * time.Minute, "", ""},                                               // Ping, Sync: the longest heartbeat
		{"ews", "POST", 30 * time.Minute, chunked, "5\r\nevent\r\n"},                            // GetStreamingEvents without any event
		{"mapi", "POST", 5*time.Minute + 20*time.Second, "", ""},                                // NotificationWait at a server that sends no PENDING
		{"mapi", "POST", 15 * time.Second, chunked, "9\r\nPENDING\r\n\r\n"},                     // and at one that does
		{"owa", "GET", 2 * time.Minute, chunked, "6\r\nkpAlv;\r\n"},                             // a pending notification
		{"outlook_anywhere", "GET", 30 * time.Minute, success, string(rpchttp.AppendPing(nil))}, // as long as a server may bear
	} {
		for _, preset := range profiles.Shipped() {
			t.Run(preset.Name+"/"+tt.profile, func(t *testing.T) {
				rules := preset.Profiles[tt.profile]
				if tt.profile == "outlook_anywhere" && rules.MinBodyRate != 0 {
					t.Errorf("a channel has to send %d octets a second; want no rate", rules.MinBodyRate)
				}
				s := newSite(t)
				p := s.profile("owa")
				p.IdleTimeout, p.ResponseTimeout = rules.IdleTimeout, cmp.Or(rules.ResponseTimeout, rules.IdleTimeout)
				p.MinBodyRate = rules.MinBodyRate
				f := s.open(t)
				f.fromClient(tt.method + " /owa/ HTTP/1.1\r\nHost: h\r\n" + map[string]string{"POST": "Content-Length: 0\r\n"}[tt.method] + "\r\n")
				f.last().take()
				if tt.begins != "" {
					f.reply(tt.begins)
					for range 100 {
						f.pass(tt.wait)
						f.reply(tt.pulse)
					}
					want(t, "the end of what the client got", f.client().take()[len(tt.begins)+99*len(tt.pulse):], tt.pulse)
				} else {
					f.pass(tt.wait)
					f.reply(ok)
					want(t, "client got", f.client().take(), ok)
					f.fromClient("GET /owa/ HTTP/1.1\r\nHost: h\r\n\r\n")
				}
				if f.client().closed || f.last().closed {
					t.Fatalf("it ends: %v", s.record(t).End)
				}
				f.pass(24 * time.Hour)
				if got := s.record(t).End; !f.client().closed || got != route.EndIdle && got != route.EndTimeout {
					t.Errorf("after a day of silence: closed %v, end %v; want idle, or timeout", f.client().closed, got)
				}
			})
		}
	}
}
