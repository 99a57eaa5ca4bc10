package lab

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controlHelp is what a GET of the control address shows under the state.
const controlHelp = `
POST /cas1/stop           close its ports, reset its connections, forget its sessions
POST /cas1/start          listen on the same ports again
POST /cas1/owa/503        answer 503 (or another status) in one directory
POST /cas1/owa/slow/2s    answer after two seconds
POST /cas1/owa/reset/1000 reset the connection after 1000 octets of an answer
POST /cas1/owa/garbage    answer with octets that are no HTTP
POST /cas1/owa/hang       never answer
POST /cas1/eas/behind/503 any of these while the health page says that all is well
POST /cas1/owa/ok         heal that directory
POST /cas1/503            the same for the whole server: 503, slow, reset, garbage, hang
POST /cas1/ok             heal every directory, and start the server if it is stopped
POST /cas1/offline        take it out of service in an orderly way (ServerWideOffline); online: back
POST /cas1/owa/offline    the same for one directory
POST /cas1/name/cas2      name cas2 on its health pages, as where an address leads to another server
POST /account/probe/refuse  let nobody in with that account; ok: again
POST /mail/alice          deliver a message to alice
`

// errOrder is an order that Control does not understand.
var errOrder = errors.New("lab: no such order")

// Control returns a handler that shows the state of the array and takes orders;
// a GET shows which. It refuses what a page of another site makes a browser
// send.
func (a *Array) Control() http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(a.serveControl))
}

func (a *Array) serveControl(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", typeText)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		_, _ = io.WriteString(w, a.State()+controlHelp) // a client that left is no concern
	case http.MethodPost:
		words := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if err := a.Order(words...); err != nil { //nolint:contextcheck // what it starts outlives the request
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(w, "%v\n%s", err, controlHelp)
			return
		}
		_, _ = io.WriteString(w, a.State())
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// Order carries out one order of Control, given as the parts of its path:
// Order("cas1", "owa", "slow", "2s").
func (a *Array) Order(words ...string) error {
	if len(words) < 2 {
		return fmt.Errorf("%w: %q", errOrder, strings.Join(words, "/"))
	}
	if words[0] == "mail" && len(words) == 2 {
		return a.DeliverMail(words[1])
	}
	if words[0] == "account" && len(words) == 3 {
		return a.orderAccount(words[1], words[2])
	}
	s, ok := a.Named(words[0])
	if !ok {
		return fmt.Errorf("%w: no server %q", errOrder, words[0])
	}
	return s.order(words[1:])
}

// order carries out an order to one CAS.
func (s *CAS) order(words []string) error {
	if len(words) == 1 {
		switch words[0] {
		case "stop":
			s.Stop()
			return nil
		case "start":
			return s.Start()
		case "ok":
			s.Heal(All)
			s.SetName("")
			if err := s.SetOffline(All, false); err != nil {
				return err
			}
			return s.Start()
		}
	}
	directory := All
	if known(s, words[0]) {
		directory, words = words[0], words[1:]
	}
	if len(words) == 1 && words[0] == "ok" {
		s.Heal(directory)
		return nil
	}
	if done, err := s.orderComponent(directory, words); done {
		return err
	}
	f, err := ParseFault(strings.Join(words, "/"))
	if err != nil {
		return err
	}
	return s.Fault(directory, f)
}

func known(s *CAS, directory string) bool {
	return slices.Contains(s.Directories(), directory) || slices.Contains(s.mailNames(), directory)
}

// ParseFault reads a fault in the spelling of Fault.String.
func ParseFault(text string) (Fault, error) {
	kind, value, _ := strings.Cut(text, "/")
	switch kind {
	case "behind":
		f, err := ParseFault(value)
		f.behind = f.kind != healthy
		return f, err
	case "ok":
		return Fault{}, nil
	case "garbage":
		return Garbage(), nil
	case "hang":
		return Hang(), nil
	case "slow":
		if d, err := time.ParseDuration(value); err == nil && d >= 0 {
			return Slow(d), nil
		}
	case "reset":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			return ResetAfter(n), nil
		}
	default:
		if code, err := strconv.Atoi(text); err == nil {
			return Status(code), nil
		}
	}
	return Fault{}, fmt.Errorf("%w: fault %q", errOrder, text)
}

// State describes every CAS in a few lines of text.
func (a *Array) State() string {
	var b strings.Builder
	for _, s := range a.cas {
		s.describe(&b)
	}
	return b.String()
}

func (s *CAS) describe(b *strings.Builder) {
	state := "stopped"
	if s.Running() {
		state = "running"
	}
	n := s.Counts()
	fmt.Fprintf(b, "%s  http://%s", s.name, s.Addr())
	if secure := s.TLSAddr(); secure != "" {
		fmt.Fprintf(b, "  https://%s", secure)
	}
	for _, name := range s.mailNames() {
		fmt.Fprintf(b, "  %s://%s", name, s.MailAddr(name, false))
	}
	fmt.Fprintf(b, "  %s  connections %d  logons %d  refused %d  leaks %d  splits %d\n",
		state, n.Open, n.Logons, n.Refused, n.Leaks, n.Splits)
	active := s.faults.all()
	for _, directory := range slices.Concat([]string{rootName}, s.Directories(), s.mailNames()) {
		off := s.components.offline(directory)
		if n.Requests[directory] == 0 && active[directory].kind == healthy && !off {
			continue
		}
		fmt.Fprintf(b, "      %-18s requests %-8d %s", directory, n.Requests[directory], active[directory])
		if off {
			b.WriteString(", offline")
		}
		b.WriteByte('\n')
	}
	if state := s.components.state(); state != "" {
		fmt.Fprintf(b, "      %s\n", state)
	}
	if f, ok := active[All]; ok {
		fmt.Fprintf(b, "      whole server: %s\n", f)
	}
}

// all returns the faults that were set, by directory.
func (f *faults) all() map[string]Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.byDirectory)
}
