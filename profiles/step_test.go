package profiles

import (
	"slices"
	"strings"
	"testing"
)

// Every step is valid on the VIP types of its row, and on no other.
func TestStepsFitVIPTypes(t *testing.T) {
	tests := []struct{ by, types string }{
		{"source_ip", "http https tcp tls udp ssl_bridge"}, // S36
		{"cookie", "http https"},                           // S5, S73
		{"insert_cookie", "http https"},                    // S5, S37, S100
		{"header", "http https"},
		{"mailbox", "http https"},
		{"ssl_id", "https tls ssl_bridge"}, // S38
		{"url_server_id", "http https"},    // S39
		{"server_id", "http https"},        // S40
		{"rule", "http https"},             // S41
		{"src_dest_ip", "tcp udp"},         // S42
		{"dest_ip", "tcp udp"},             // S43
		{"rpc_connection", "http https"},
		{"rpc_association", "tcp"},
		{"none", "http https tcp tls udp ssl_bridge"},
	}
	for _, tt := range tests {
		t.Run(tt.by, func(t *testing.T) {
			if got := strings.Join(fits[tt.by], " "); got != tt.types {
				t.Errorf("fits %s; want %s", got, tt.types)
			}
			if !methods.known(tt.by) {
				t.Error("no file can name it")
			}
		})
	}
	if len(fits) != len(tests) {
		t.Errorf("%d steps: %v; want %d", len(fits), sorted(fits), len(tests))
	}
}

// What the matrix refuses, a file is told at its line, for every VIP type and step.
// S5 S36 S37 S38 S39 S40 S41 S42 S43.
func TestStepsRefusedOnVIPTypes(t *testing.T) {
	for protocol, types := range carriers {
		for _, vipType := range types {
			for _, by := range sorted(fits) {
				text := strings.Replace(site, `"http"`, `"`+vipType+`"`, 1)
				text = strings.Replace(text, `profiles = ["owa"]`, `profiles = ["app"]`, 1)
				text += "[profile.app]\nprotocol = \"" + protocol + "\"\n[[profile.app.chain]]\nby = \"" + by + "\"\n"
				refused := strings.Contains(said(t, "casbah.toml", []byte(text)), "casbah.toml:17:1: profile.app.chain 1: by: want a step that")
				if want := !slices.Contains(fits[by], vipType); refused != want {
					t.Errorf("%s on a VIP of type %s: refused = %v; want %v", by, vipType, refused, want)
				}
			}
		}
	}
}

func TestTableBounds(t *testing.T) {
	if got := Default().Limits.Bindings; got != 250_000 { // S29, S30
		t.Errorf("default of bindings for each core is %d; want 250000", got)
	}
	for text, ok := range map[string]bool{"1_000_000": true, "1_000_001": false, "16": true, "15": false} { // S31
		got := said(t, "casbah.toml", []byte("[limits]\nbindings = "+text+"\n"+site))
		if (got == "") != ok {
			t.Errorf("bindings = %s: said %q; want a mistake: %v", text, got, !ok)
		}
	}
}
