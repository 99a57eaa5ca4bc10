package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"casbah/lab"
)

// TestRealRPCOverHTTP has impacket, a client of RPC over HTTP that is not ours,
// make its virtual connections through casbah to two servers in turn: each must be
// whole, whatever the login, and without one or with Basic also where its channels
// come from two addresses. impacket waits for 100 Continue on both channels before
// it says which connection they are of.
func TestRealRPCOverHTTP(t *testing.T) {
	t.Parallel()
	real(t)
	const connections = 10
	line := regexp.MustCompile(`(?m)^server cas\d, 4 interfaces$`)
	modesInTurn(t, func(t *testing.T, m mode) {
		for _, tt := range []struct{ name, login, in, out string }{
			{"none", "none", "127.0.0.2", "127.0.0.3"},
			{"basic", "basic:LAB/alice:Secret1", "127.0.0.2", "127.0.0.3"},
			{"ntlm", "ntlm:LAB/alice:Secret1", "127.0.0.4", "127.0.0.4"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, setup{
					mode: m, pool: `algorithm = "round_robin"`, extra: byConnection,
					lab: lab.Options{Servers: 2, AnonymousRPC: tt.name == "none"},
				})
				url := "http://" + r.plain
				if m.vip == "tls" {
					url = "https://" + r.tls
				}
				out := rpcmap(t, url, tt.login, tt.in, tt.out, "call", fmt.Sprint(connections))
				if n := len(line.FindAllString(out, -1)); n != connections {
					t.Fatalf("%d of %d connections were whole:\n%s", n, connections, out)
				}
				if out = rpcmap(t, url, tt.login, tt.in, tt.out, "map"); !strings.Contains(out, "A4F1DB00-CA47-1067-B31F-00DD010662DA v0.81") {
					t.Errorf("rpcmap does not find the mailbox interface:\n%s", out)
				}
				if splits, n := r.splits(); len(splits) > 0 || n != connections+1 {
					t.Errorf("%v splits of %d connections; want 0 of %d", splits, n, connections+1)
				}
				for _, cas := range r.array.Servers() {
					if n := cas.Counts().Splits; n != 0 {
						t.Errorf("%s met %d channels whose other half is elsewhere", cas.Name(), n)
					}
				}
			})
		}
	})
}

// rpcmap runs the client of impacket and returns what it prints. Debian's Python has it.
func rpcmap(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/impacket"); err != nil {
		t.Fatalf("%v: sh e2e/peers.sh installs it", err)
	}
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"rpcmap.py"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("rpcmap.py %v: %v\n%s", args, err, out)
	}
	return string(out)
}
