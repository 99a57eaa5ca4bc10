package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// headTime is how long a client may take for a request head.
	headTime = time.Minute
	// keepAliveTime is how long an idle connection is kept, as in IIS.
	keepAliveTime = 2 * time.Minute
	// headOctets bounds a request head. Kerberos tickets take up to 64 KiB.
	headOctets = 128 << 10
	// rebindTime is how long Start waits for a port that something else took as
	// the source port of an outgoing connection while the CAS was stopped.
	rebindTime = 3 * time.Second
)

// CAS is one simulated client access server.
type CAS struct {
	name        string
	array       *Array
	faults      faults
	components  components
	counters    counters
	directories []*directory
	forms       forms // the forms login that OWA and ECP share
	circuits    circuits
	plain, tls  string     // addresses; fixed by the first Start
	mail        []mailPort // those of RPC over TCP, too; none without Options.Mail and RPC

	associations associations

	life   sync.Mutex // held throughout Start and Stop; before mu
	mu     sync.Mutex // guards the fields below
	run    *run       // nil while stopped
	bound  bool       // the addresses are what the system gave
	active map[*conn]struct{}
}

// run is a CAS between Start and Stop.
type run struct {
	server    *http.Server
	cancel    context.CancelFunc // ends every request
	listeners []net.Listener
	serving   sync.WaitGroup // one per listener
	conns     sync.WaitGroup // one per connection
}

func newCAS(a *Array, i int) *CAS {
	s := &CAS{
		name:   fmt.Sprintf("cas%d", i+1),
		array:  a,
		plain:  a.options.listenAddress(i, 0),
		mail:   slices.Concat(a.options.newMailPorts(i), a.options.newRPCPorts(i)),
		active: make(map[*conn]struct{}),
	}
	if a.options.TLS {
		s.tls = a.options.listenAddress(i, 1)
	}
	s.directories = s.newDirectories()
	return s
}

// Name returns "cas1" and so on.
func (s *CAS) Name() string { return s.name }

// FQDN returns the name by which the CAS calls itself.
func (s *CAS) FQDN() string { return strings.ToUpper(s.name) + "." + DNSSuffix }

// Addr returns the host and port for HTTP, the same after Stop and Start.
func (s *CAS) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain
}

// TLSAddr returns the host and port for HTTPS, "" without Options.TLS.
func (s *CAS) TLSAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tls
}

// Running reports whether the CAS is started.
func (s *CAS) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run != nil
}

// Start listens on the ports that the CAS had before. It does nothing if the
// CAS runs.
func (s *CAS) Start() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.Running() {
		return nil
	}
	web, mail, err := s.listen()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel: cancel, listeners: slices.Concat(web, mail)}
	r.server = s.newServer(ctx, r)
	for _, l := range web {
		r.serving.Go(func() {
			// It ends when Stop closes the listener, and for no other reason
			// that a lab on loopback needs to tell apart.
			_ = r.server.Serve(l)
		})
	}
	for i, l := range mail {
		r.serving.Go(func() { s.serveMail(ctx, r, s.mail[i].mailProtocol, l) })
	}
	s.mu.Lock()
	s.run = r
	s.mu.Unlock()
	return nil
}

// listen opens the ports and remembers them. Those of mail are in the order of
// s.mail.
func (s *CAS) listen() (web, mail []net.Listener, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plain, err := s.open(&s.plain, nil)
	if err != nil {
		return nil, nil, err
	}
	web = []net.Listener{plain}
	if s.tls != "" {
		secure, err := s.open(&s.tls, s.array.tlsConfig())
		if err != nil {
			closeAll(web)
			return nil, nil, err
		}
		web = append(web, secure)
	}
	for i := range s.mail {
		var t *tls.Config
		if s.mail[i].secure {
			t = s.array.mailTLS()
		}
		l, err := s.openPort(&s.mail[i], t)
		if err != nil {
			closeAll(slices.Concat(web, mail))
			return nil, nil, err
		}
		mail = append(mail, l)
	}
	s.bound = true
	return web, mail, nil
}

// open opens one port, and remembers which. The lock is held.
func (s *CAS) open(address *string, t *tls.Config) (net.Listener, error) {
	var patience time.Duration
	if s.bound {
		patience = rebindTime
	}
	l, err := listen(*address, patience)
	if err != nil {
		return nil, err
	}
	*address = l.Addr().String()
	return &listener{Listener: l, cas: s, tls: t}, nil
}

// openPort opens a port for mail or RPC. One that moves is never where it was.
func (s *CAS) openPort(p *mailPort, t *tls.Config) (net.Listener, error) {
	if !p.moves {
		return s.open(&p.address, t)
	}
	old := p.address
	host, _, err := net.SplitHostPort(old)
	if err != nil {
		return nil, err
	}
	p.address = net.JoinHostPort(host, "0")
	l, err := s.open(&p.address, t)
	if err != nil || p.address != old {
		return l, err
	}
	defer l.Close()
	p.address = net.JoinHostPort(host, "0")
	return s.open(&p.address, t)
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

// tlsConfig offers HTTP/1.1 alone: IIS refuses Windows authentication over
// HTTP/2.
func (a *Array) tlsConfig() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}
}

func (s *CAS) newServer(ctx context.Context, r *run) *http.Server {
	return &http.Server{
		Handler:                      s,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  withConn,
		ConnState:                    func(c net.Conn, st http.ConnState) { s.track(r, c, st) },
		ErrorLog:                     log.New(io.Discard, "", 0), //nolint:forbidigo // net/http takes no other logger
		ReadHeaderTimeout:            headTime,
		IdleTimeout:                  keepAliveTime,
		MaxHeaderBytes:               headOctets,
		DisableGeneralOptionsHandler: true,
	}
}

// track keeps the set of connections that are open.
func (s *CAS) track(r *run, nc net.Conn, st http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		panic("BUG: a connection that the listener did not make")
	}
	switch st {
	case http.StateNew:
		r.conns.Add(1)
		s.counters.open.Add(1)
		s.mu.Lock()
		s.active[c] = struct{}{}
		s.mu.Unlock()
	case http.StateClosed:
		s.mu.Lock()
		delete(s.active, c)
		s.mu.Unlock()
		s.counters.open.Add(-1)
		r.conns.Done()
	case http.StateActive, http.StateIdle, http.StateHijacked: // the connection stays open
	}
}

// Stop closes the ports and resets every connection, as a server that loses
// power, and returns when no request runs any more. Sessions are lost. It does
// nothing if the CAS is stopped.
func (s *CAS) Stop() {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock()
	if r == nil {
		return
	}
	for _, l := range r.listeners {
		_ = l.Close()
	}
	// Once serving is over, every connection is in s.active. They are reset
	// before the requests end, or what waits would still answer.
	r.serving.Wait()
	s.resetAll()
	r.cancel()
	_ = r.server.Close()
	r.conns.Wait()
	for _, d := range s.directories {
		d.forget()
	}
}

func (s *CAS) resetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.active {
		c.reset()
	}
}
