package msrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// realNetwork tells the test that it runs in a network of its own, where nobody
// else has port 135.
const realNetwork = "CASBAH_REAL_NETWORK"

// lsarpc is an interface that every Samba has.
var lsarpc = Syntax{UUID: UUID{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab}}

// TestRealMapper talks to the endpoint mapper of a real Samba, and has a real
// client, impacket, talk to it through a Mapper.
func TestRealMapper(t *testing.T) {
	if os.Getenv("CASBAH_REAL") == "" {
		t.Skip("wants real peers: CASBAH_REAL=1, root, and Debian's samba and python3-impacket")
	}
	if os.Getenv(realNetwork) == "" {
		inOwnNetwork(t)
		return
	}
	startSamba(t)
	p := Probe{Interface: EPM, Ask: []Syntax{lsarpc, EMSMDB}}
	probe(t, &p, "127.0.0.1:135")
	port, err := p.Port(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Port(1); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("EMSMDB at %d, %v; want %v", got, err, ErrNotRegistered)
	}
	t.Run("data-port", func(t *testing.T) {
		data := fmt.Sprintf("127.0.0.1:%d", port)
		probe(t, &Probe{Interface: lsarpc}, data)
		if err := try(t, &Probe{Interface: NSPI}, data); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("NSPI at the port of lsarpc: %v; want it refused", err)
		}
		joins(t, data)
	})
	t.Run("client", func(t *testing.T) { clientAsks(t, port) })
}

// inOwnNetwork runs the test again, in a network namespace of its own.
func inOwnNetwork(t *testing.T) {
	t.Helper()
	args := []string{"--net", "--", "sh", "-c", `ip link set lo up && exec "$@"`, "sh", os.Args[0], "-test.run=^TestRealMapper$", "-test.v"}
	if os.Getuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), realNetwork+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestRealMapper/client")) {
		t.Fatalf("in a network of its own: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// startSamba starts Samba's RPC servers, and waits until the mapper knows lsarpc.
func startSamba(t *testing.T) {
	t.Helper()
	dir, conf := t.TempDir(), "[global]\nnetbios name = CAS1\nserver role = standalone server\nload printers = no\n"+
		"interfaces = 127.0.0.1/8\nbind interfaces only = yes\nrpc start on demand helpers = no\n"
	for _, d := range []string{"lock", "state", "cache", "pid"} {
		conf += fmt.Sprintf("%s directory = %s\n", d, filepath.Join(dir, d))
	}
	conf += fmt.Sprintf("private dir = %s\nncalrpc dir = %s\nlog file = %s\n", filepath.Join(dir, "private"), filepath.Join(dir, "ncalrpc"), filepath.Join(dir, "log"))
	for _, d := range []string{"lock", "state", "cache", "pid", "private", "ncalrpc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/libexec/samba/samba-dcerpcd", "--foreground", "--configfile="+file, "--libexec-rpcds", "--debug-stdout")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: Debian's package samba has it", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of Samba:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		p := Probe{Interface: EPM, Ask: []Syntax{lsarpc}}
		if err := try(t, &p, "127.0.0.1:135"); err == nil {
			if _, err = p.Port(0); err == nil {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("waited a minute in vain for Samba's mapper to know lsarpc")
		}
	}
}

func dial(t *testing.T, addr string) (net.Conn, error) {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err == nil {
		t.Cleanup(func() { c.Close() })
		err = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return c, err
}

// try runs the dialogue of p.
func try(t *testing.T, p *Probe, addr string) error {
	t.Helper()
	c, err := dial(t, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	out, in := p.Begin(nil), make([]byte, 4096)
	for !p.Done() {
		if _, err := c.Write(out); err != nil {
			return err
		}
		n, err := c.Read(in)
		if err != nil {
			return err
		}
		if out, err = p.Take(nil, in[:n]); err != nil {
			return err
		}
	}
	return nil
}

func probe(t *testing.T, p *Probe, addr string) {
	t.Helper()
	if err := try(t, p, addr); err != nil {
		t.Fatalf("%s at %s: %v", p.Interface, addr, err)
	}
}

// joins begins an association, and has a second connection, in big-endian, join it.
func joins(t *testing.T, addr string) {
	t.Helper()
	first := associate(t, addr, LittleEndian, 0)
	if first == 0 {
		t.Fatal("the server gave no association")
	}
	if again := associate(t, addr, bigEndian, first); again != first {
		t.Errorf("the second connection is in association %x; want %x", again, first)
	}
}

// associate binds to lsarpc and returns the association that it got, as an
// Association reads it. The connection stays up to the end of the test.
func associate(t *testing.T, addr string, d Drep, id uint32) uint32 {
	t.Helper()
	c, err := dial(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	b := Bind{
		Header: header(d, TypeBind, 1), MaxXmit: fragmentSize, MaxRecv: fragmentSize, Association: id,
		Contexts: []Context{{Abstract: lsarpc, Transfer: []Syntax{NDR}}},
	}
	var a Association
	bind, in := b.AppendTo(nil), make([]byte, 4096)
	if a.Client(bind) != All || a.Asked() != id {
		t.Fatalf("asked %x; want %x", a.Asked(), id)
	}
	if _, err := c.Write(bind); err != nil {
		t.Fatal(err)
	}
	n := 0
	for a.Server(in[:n]) == More {
		got, err := c.Read(in[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += got
	}
	return a.Got()
}

// askBy is what the client does: at port, it asks for lsarpc and for all.
const askBy = `
import sys
from impacket.dcerpc.v5 import transport, epm
from impacket.uuid import uuidtup_to_bin
def connected():
    d = transport.DCERPCTransportFactory('ncacn_ip_tcp:127.0.0.1[%s]' % sys.argv[1]).get_dce_rpc()
    d.connect()
    return d
lsarpc = uuidtup_to_bin(('12345778-1234-abcd-ef00-0123456789ab', '0.0'))
print('map', epm.hept_map('127.0.0.1', lsarpc, protocol='ncacn_ip_tcp', dce=connected()))
ask = epm.ept_lookup()
ask['inquiry_type'], ask['object'], ask['Ifid'], ask['vers_option'], ask['max_ents'] = 0, epm.NULL, epm.NULL, 1, 500
d = connected()
d.bind(epm.MSRPC_UUID_PORTMAP)
d.call(ask.opnum, ask)  # not request(): Samba says "no more" with the last entries, which would raise
answer = epm.ept_lookupResponse(d.recv())
for i in range(answer['num_ents']):
    floors = epm.EPMTower(b''.join(answer['entries'][i]['tower']['tower_octet_string']))['Floors']
    print('lookup', str(floors[0]), epm.PrintStringBinding(floors))
`

// clientAsks has impacket ask Samba through a Mapper: it is told our port for
// lsarpc over TCP, and everything else as Samba says it.
func clientAsks(t *testing.T, port uint16) {
	t.Helper()
	const given = 59532
	direct, _ := impacket(t, Pass, nil)
	routes := Table{{UUID: lsarpc.UUID, Protocol: TCP, Port: given, Addr: netip.MustParseAddr("192.0.2.10")}}
	passed, seen := impacket(t, Pass, routes)
	if passed != direct {
		t.Errorf("in mode Pass the client reads\n%s; want\n%s", passed, direct)
	}
	rewritten, told := impacket(t, Rewrite, routes)
	want := regexp.MustCompile(`(?m)^(lookup 12345778-1234-ABCD-EF00-0123456789AB v0.*ncacn_ip_tcp:)127\.0\.0\.1\[\d+\]$`).ReplaceAllString(direct, "${1}192.0.2.10["+strconv.Itoa(given)+"]")
	want = strings.Replace(want, fmt.Sprintf("map ncacn_ip_tcp:127.0.0.1[%d]", port), fmt.Sprintf("map ncacn_ip_tcp:127.0.0.1[%d]", given), 1)
	if rewritten != want || want == direct || strings.Count(want, strconv.Itoa(given)) < 2 {
		t.Errorf("in mode Rewrite the client reads\n%s; want\n%s", rewritten, want)
	}
	if seen != "op 3: 0 given, op 2: 0 given" || told != "op 3: 1 given, op 2: 1 given" {
		t.Errorf("answers %q in mode Pass, %q in mode Rewrite", seen, told)
	}
}

// impacket runs the client against Samba behind a Mapper, and returns what it
// printed, and what the Mapper was told.
func impacket(t *testing.T, mode Mode, routes Table) (printed, told string) {
	t.Helper()
	var answers []string
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			m := &Mapper{Mode: mode, OnAnswer: func(a *Answer) {
				n := 0
				for _, e := range a.Towers {
					if e.Given {
						n++
					}
				}
				answers = append(answers, fmt.Sprintf("op %d: %d given", a.Op, n))
			}}
			if err := relayed(client, m, routes); err != nil {
				t.Error(err)
			}
		}
	})
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-c", askBy, port)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("impacket (Debian's python3-impacket): %v\n%s", err, complaint.String())
	}
	ln.Close()
	wg.Wait()
	return string(out), strings.Join(answers, ", ")
}

// relayed passes a client's connection on to Samba.
func relayed(client net.Conn, m *Mapper, routes Table) error {
	defer client.Close()
	server, err := net.Dial("tcp", "127.0.0.1:135")
	if err != nil {
		return err
	}
	defer server.Close()
	done := make(chan error, 1)
	var mu sync.Mutex // guards m
	pass := func(from, to net.Conn, step func(dst, p []byte) ([]byte, error)) error {
		in := make([]byte, 1000)
		for {
			n, err := from.Read(in)
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			out, err := step(nil, in[:n])
			mu.Unlock()
			if err != nil {
				return err
			}
			if _, err := to.Write(out); err != nil {
				return err
			}
		}
	}
	go func() {
		defer server.Close()
		done <- pass(client, server, m.FromClient)
	}()
	err = pass(server, client, func(dst, p []byte) ([]byte, error) { return m.FromServer(dst, p, routes) })
	return errors.Join(err, <-done)
}
