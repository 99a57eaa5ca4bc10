package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/protocols/msrpc"
	"casbah/protocols/msrpc/rpctest"
)

// ownNetwork tells the test that it runs in a network of its own, where nobody else
// has port 135.
const ownNetwork = "CASBAH_REAL_NETWORK"

// TestRealRPC has real clients, Samba's rpcclient and impacket, ask the endpoint
// mappers of two real servers, Samba's, through casbah, and then call: mapper and
// services of a client are on one server, with static ports and with dynamic ones
// that differ.
func TestRealRPC(t *testing.T) {
	t.Parallel()
	real(t)
	if os.Getenv(ownNetwork) == "" {
		inOwnNetwork(t)
		return
	}
	static := startSamba(t, []string{"49152-49199", "49152-49199"}, "rpcd_epmapper", "rpcd_lsad")
	for _, engine := range drivers {
		t.Run("pass-"+engine, func(t *testing.T) { realRPC(t, engine, "pass").meets() })
	}
	static.stop()
	startSamba(t, []string{"49252-49299", "49352-49399"}, "rpcd_epmapper", "rpcd_lsad", "rpcd_winreg", "rpcd_classic")
	for _, engine := range drivers {
		t.Run("rewrite-"+engine, func(t *testing.T) { realRPC(t, engine, "rewrite").meets() })
	}
	t.Run("association", func(t *testing.T) { realRPC(t, drivers[0], "rewrite").joins() })
}

// inOwnNetwork runs the test again, in a network namespace of its own.
func inOwnNetwork(t *testing.T) {
	t.Helper()
	for _, name := range []string{"unshare", "ip", "smbpasswd", "rpcclient", "/usr/libexec/samba/samba-dcerpcd"} {
		peer(t, name)
	}
	setup := "ip link set lo up"
	for _, addr := range append(sambas, vipAddr) {
		setup += " && ip addr add " + addr + "/32 dev lo"
	}
	args := []string{"--net", "--", "sh", "-c", setup + ` && exec "$@"`, "sh", os.Args[0], "-test.run=^TestRealRPC$", "-test.v"}
	if os.Getuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), ownNetwork+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestRealRPC/association")) {
		t.Fatalf("in a network of its own: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// Addresses of the servers, and that of casbah.
var sambas = []string{"127.0.0.61", "127.0.0.62"}

const vipAddr = "127.0.0.10"

// samba are two running servers.
type samba struct {
	t    *testing.T
	cmds []*exec.Cmd
	logs []*locked
}

// startSamba starts servers with the RPC services named, on ports of the ranges
// given, and waits until their mappers know them. They end with the test.
func startSamba(t *testing.T, ports []string, services ...string) *samba {
	t.Helper()
	s := &samba{t: t}
	t.Cleanup(s.stop)
	for i, addr := range sambas {
		dir := t.TempDir()
		conf := fmt.Sprintf("[global]\nnetbios name = %s\nserver role = standalone server\nload printers = no\npassdb backend = tdbsam\n"+
			"interfaces = %s/32\nbind interfaces only = yes\nrpc start on demand helpers = no\nrpc server dynamic port range = %s\nlog file = %s\n",
			strings.ToUpper(sambaName(i)), addr, ports[i], filepath.Join(dir, "log"))
		for _, d := range []string{"lock", "state", "cache", "pid", "private", "ncalrpc"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
			kind := map[string]string{"private": " dir", "ncalrpc": " dir"}[d]
			if kind == "" {
				kind = " directory"
			}
			conf += fmt.Sprintf("%s%s = %s\n", d, kind, filepath.Join(dir, d))
		}
		file := filepath.Join(dir, "smb.conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		account := exec.Command("smbpasswd", "-c", file, "-s", "-a", "root")
		account.Stdin = strings.NewReader("Pw1234\nPw1234\n")
		if out, err := account.CombinedOutput(); err != nil {
			t.Fatalf("smbpasswd: %v\n%s", err, out)
		}
		args := []string{"--foreground", "--configfile=" + file, "--debug-stdout"}
		for _, name := range services {
			args = append(args, "/usr/libexec/samba/"+name)
		}
		cmd, log := exec.Command("/usr/libexec/samba/samba-dcerpcd", args...), new(locked)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.cmds, s.logs = append(s.cmds, cmd), append(s.logs, log)
	}
	for _, addr := range sambas {
		s.awaits(addr, len(services) > 2)
	}
	return s
}

func sambaName(i int) string { return fmt.Sprintf("exstub%d", i+1) }

func (s *samba) stop() {
	for i, cmd := range s.cmds {
		_ = cmd.Process.Signal(os.Interrupt) // it fails if the process is gone
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("log of Samba:\n%s", s.logs[i].String())
		}
	}
	s.cmds = nil
}

// awaits waits until a mapper knows what the test asks for.
func (s *samba) awaits(addr string, both bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		known := false
		if c, err := net.Dial("tcp", addr+":135"); err == nil {
			_ = c.SetDeadline(time.Now().Add(patience))
			m := rpctest.New(s.t, c)
			if _, err := m.Bind(msrpc.EPM, 0); err == nil {
				_, status := m.Map(samr, 0)
				_, second := m.Map(srvsvc, 0)
				known = status == 0 && (second == 0 || !both)
			}
			_ = c.Close()
		}
		if known {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited a minute in vain for the mapper of %s", addr)
		}
	}
}

// Interfaces that every Samba has.
var (
	samr   = msrpc.Syntax{UUID: msrpc.UUID{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac}, Major: 1}
	srvsvc = msrpc.Syntax{UUID: msrpc.UUID{0x4b, 0x32, 0x4f, 0xc8, 0x16, 0x70, 0x01, 0xd3, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88}, Major: 3}
)

const realRPCConf = `
[[vip]]
name = "epm"
type = "tcp"
listen = ["127.0.0.10:135"]
profiles = ["rpc_endpoint_mapper"]
pool = "rpc"
mapper = %[1]q
[[vip]]
name = "mailbox"
type = "tcp"
listen = ["127.0.0.10:%[2]d"]
profiles = ["rpc_client_access"]
pool = "rpc"
[profile.rpc_endpoint_mapper]
interfaces = [%[3]s]
[profile.rpc_client_access]
ports = [49152]
interfaces = ["12345778-1234-abcd-ef00-0123456789ac/1.0", "12345778-1234-abcd-ef00-0123456789ab/0.0"]
`

// bookConf is what stands in for the address book.
const bookConf = `[profile.rpc_address_book]
interfaces = ["4b324fc8-1670-01d3-1278-5a47bf6ee188/3.0"]
[[vip]]
name = "book"
type = "tcp"
listen = ["127.0.0.10:40002"]
profiles = ["rpc_address_book"]
pool = "rpc"
`

// realRPC starts casbah in front of the servers.
func realRPC(t *testing.T, engine, mapper string) *rpcRig {
	t.Helper()
	r := &rpcRig{rig: &rig{t: t, mode: mode{engine: engine}}}
	port, asks, more := 49152, `"12345778-1234-abcd-ef00-0123456789ac/1.0"`, ""
	if mapper == "rewrite" {
		port, asks, more = 40001, asks+`, "4b324fc8-1670-01d3-1278-5a47bf6ee188/3.0"`, bookConf
	}
	r.boot(sambas, fmt.Sprintf(realRPCConf, mapper, port, asks)+more)
	if r.anyService(func(st string) bool { return st != "up" }) {
		t.Fatalf("the probes find %+v", r.node.Status().Pools)
	}
	return r
}

// realClient is a client, from an address of its own: it asks the mapper at a host
// for everything and for two interfaces, and calls those.
const realClient = `
import socket, sys
from impacket.dcerpc.v5 import transport, epm, samr, srvs
host, source = sys.argv[1:3]
class bound(socket.socket):
    def connect(self, to):
        self.bind((source, 0))
        super().connect(to)
socket.socket = bound
def connected(binding):
    d = transport.DCERPCTransportFactory(binding).get_dce_rpc()
    d.connect()
    return d
ask = epm.ept_lookup()
ask['inquiry_type'], ask['object'], ask['Ifid'], ask['vers_option'], ask['max_ents'] = 0, epm.NULL, epm.NULL, 1, 500
d = connected('ncacn_ip_tcp:%s[135]' % host)
d.bind(epm.MSRPC_UUID_PORTMAP)
d.call(ask.opnum, ask)  # not request(): Samba says "no more" with the last entries, which would raise
answer = epm.ept_lookupResponse(d.recv())
for i in range(answer['num_ents']):
    floors = epm.EPMTower(b''.join(answer['entries'][i]['tower']['tower_octet_string']))['Floors']
    print('lookup', str(floors[0]), epm.PrintStringBinding(floors))
for i in range(3):
    at = epm.hept_map(host, samr.MSRPC_UUID_SAMR, protocol='ncacn_ip_tcp')
    d = connected(at)
    d.bind(samr.MSRPC_UUID_SAMR)
    domains = samr.hSamrEnumerateDomainsInSamServer(d, samr.hSamrConnect(d)['ServerHandle'])
    print('samr', at, domains['Buffer']['Buffer'][0]['Name'].lower())
    if len(sys.argv) > 3:
        at = epm.hept_map(host, srvs.MSRPC_UUID_SRVS, protocol='ncacn_ip_tcp')
        d = connected(at)
        d.bind(srvs.MSRPC_UUID_SRVS)
        print('srvsvc', at, srvs.hNetrServerGetInfo(d, 100)['InfoStruct']['ServerInfo100']['sv100_name'][:-1].lower())
`

// impacket runs the client and returns what it prints.
func impacket(t *testing.T, host, source string, more ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", append([]string{"-c", realClient, host, source}, more...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("impacket (Debian's python3-impacket): %v\n%s%s", err, out, complaint.String())
	}
	return string(out)
}

// calls are the lines of what the client called: interface, address, port and the
// server that answered.
var calls = regexp.MustCompile(`(?m)^(samr|srvsvc) ncacn_ip_tcp:([0-9.]+)\[(\d+)\] (\S+)$`)

// meets has clients of several addresses ask and call.
func (r *rpcRig) meets() {
	t := r.t.(*testing.T)
	mapper := r.vipStatus("epm").Mapper
	var second []string
	ports := map[string]string{"samr": "49152"}
	if mapper.Mode == "rewrite" {
		second, ports = []string{"both"}, map[string]string{"samr": "40001", "srvsvc": "40002"}
	}
	direct := make(map[string]string)
	for i, addr := range sambas {
		direct[sambaName(i)] = impacket(t, addr, "127.0.0.9", second...)
	}
	seen := make(map[string]bool)
	for i := range 4 {
		source := fmt.Sprintf("127.0.0.%d", 20+i)
		out := impacket(t, vipAddr, source, second...)
		homes := make(map[string]bool)
		for _, m := range calls.FindAllStringSubmatch(out, -1) {
			if m[2] != vipAddr || m[3] != ports[m[1]] {
				t.Errorf("%s was sent to %s:%s for %s; want %s:%s", source, m[2], m[3], m[1], vipAddr, ports[m[1]])
			}
			homes[m[4]], seen[m[4]] = true, true
		}
		if len(homes) != 1 || len(calls.FindAllString(out, -1)) != 3*len(ports) {
			t.Fatalf("%s is served by %v; want one server:\n%s", source, homes, out)
		}
		for home := range homes {
			r.sameLookup(out, direct[home], mapper.Mode, ports)
		}
	}
	if len(seen) != len(sambas) {
		t.Errorf("the clients are on %v; want both servers", seen)
	}
	out, err := exec.CommandContext(t.Context(), "rpcclient", "-U", "root%Pw1234", "ncacn_ip_tcp:"+vipAddr, "-c", "querydominfo").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("EXSTUB")) {
		t.Errorf("rpcclient: %v\n%s", err, out)
	}
}

// sameLookup compares what a client looked up through casbah with what it looks up
// at the server: the same, but for the ports and addresses that casbah puts in.
func (r *rpcRig) sameLookup(got, direct, mode string, ports map[string]string) {
	r.t.Helper()
	lines := func(out string) []string {
		return regexp.MustCompile(`(?m)^lookup .*$`).FindAllString(out, -1)
	}
	want := lines(direct)
	changed := 0
	for i, line := range want {
		for id, port := range map[string]string{
			"12345778-1234-ABCD-EF00-0123456789AC": ports["samr"], "12345778-1234-ABCD-EF00-0123456789AB": ports["samr"],
			"4B324FC8-1670-01D3-1278-5A47BF6EE188": ports["srvsvc"],
		} {
			of, _, tcp := strings.Cut(line, "ncacn_ip_tcp:")
			if mode == "rewrite" && strings.Contains(line, id) && tcp {
				want[i] = fmt.Sprintf("%sncacn_ip_tcp:%s[%s]", of, vipAddr, port)
				changed++
			}
		}
	}
	if !slices.Equal(lines(got), want) || mode == "rewrite" && changed < 3 || len(want) < 3 {
		r.t.Errorf("looked up through casbah:\n%s\nwant:\n%s", strings.Join(lines(got), "\n"), strings.Join(want, "\n"))
	}
}

// joins has the connections of an association, which a real server began, meet on it.
func (r *rpcRig) joins() {
	r.t.Helper()
	text := strings.Replace(r.read(), "[profile.rpc_client_access]\n", "[profile.rpc_client_access]\nchain = [{ by = \"rpc_association\" }]\n", 1)
	r.write(text)
	if err := r.node.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	bound := func(id uint32, bigEndian bool) (uint32, error) {
		c, err := net.Dial("tcp", vipAddr+":40001")
		if err != nil {
			return 0, err
		}
		r.t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		client := rpctest.New(r.t, c)
		client.BigEndian = bigEndian
		return client.Bind(samr, id)
	}
	for range 4 {
		first, err := bound(0, false)
		if err != nil || first == 0 {
			r.t.Fatalf("the server gives association %d, %v", first, err)
		}
		for i := range 4 {
			if again, err := bound(first, i%2 == 1); again != first || err != nil {
				r.t.Errorf("a connection that joins %x is in %x, %v", first, again, err)
			}
		}
	}
	if _, err := bound(0xdeadbeef, false); err == nil || errors.Is(err, net.ErrClosed) {
		r.t.Errorf("an association that nobody began: %v; want it refused by the server", err)
	}
}
