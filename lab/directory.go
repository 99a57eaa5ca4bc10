package lab

import (
	"net/http"
	"strings"
)

// directory is one IIS virtual directory of a CAS.
type directory struct {
	name   string   // of casbah's profile for it; faults and counters use it
	paths  []string // in lower case, without the last slash
	serve  func(*visit)
	forget func() // drops the sessions that live in this CAS
}

// rootName is what counters call requests outside of all directories.
const rootName = "root"

func (s *CAS) newDirectories() []*directory {
	keepNothing := func() {}
	owa := &owa{cas: s}
	ecp := &ecp{cas: s}
	ews := &ews{cas: s}
	powershell := &powershell{cas: s}
	mapi := &mapi{cas: s}
	return []*directory{
		{"owa", []string{"/owa"}, owa.serve, s.forms.sessions.clear},
		{"ecp", []string{"/ecp"}, ecp.serve, keepNothing},
		{"eas", []string{"/microsoft-server-activesync"}, s.serveEAS, keepNothing},
		{"ews", []string{"/ews"}, ews.serve, ews.subscriptions.clear},
		{"outlook_anywhere", []string{"/rpc", "/rpcwithcert"}, s.serveRPC, keepNothing},
		{"oab", []string{"/oab"}, s.serveOAB, keepNothing},
		{"autodiscover", []string{"/autodiscover"}, s.serveAutodiscover, keepNothing},
		{"powershell", []string{"/powershell"}, powershell.serve, powershell.shells.clear},
		{"mapi", []string{"/mapi"}, mapi.serve, mapi.contexts.clear},
	}
}

// Directories returns the names of the directories that faults can name, as
// casbah's profiles are named.
func (s *CAS) Directories() []string {
	var names []string
	for _, d := range s.directories {
		names = append(names, d.name)
	}
	return names
}

// directoryOf returns the directory of a path, nil outside of all.
func (s *CAS) directoryOf(path string) *directory {
	path = strings.ToLower(path)
	for _, d := range s.directories {
		for _, p := range d.paths {
			if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
				return d
			}
		}
	}
	return nil
}

// ServeHTTP answers one request as the CAS. It is called by the servers that
// Start makes, on their own connections only.
func (s *CAS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := s.newVisit(w, r)
	d := s.directoryOf(r.URL.Path)
	name := rootName
	if d != nil {
		name = d.name
	}
	s.counters.request(name)
	s.watchIdentity(v)
	if !s.suffer(v, name) {
		return
	}
	switch {
	case d == nil && r.URL.Path == "/":
		v.redirect("/owa/")
	case d == nil:
		v.text(http.StatusNotFound, "no such directory on "+s.name+"\n")
	case isHealthCheck(r.URL.Path):
		s.healthCheck(v, name)
	default:
		d.serve(v)
	}
}

// isHealthCheck reports whether a path is a health page.
func isHealthCheck(path string) bool {
	return strings.HasSuffix(strings.ToLower(path), "/healthcheck.htm")
}

// watchIdentity counts a request that would be served as a user who did not
// send it.
func (s *CAS) watchIdentity(v *visit) {
	expected, stated := v.r.Header["X-Expect-User"]
	if !stated || v.r.Header.Get("Authorization") != "" || v.conn.identity.user == "" {
		return
	}
	if bareName(expected[0]) != v.conn.identity.user {
		s.counters.leaks.Add(1)
	}
}
