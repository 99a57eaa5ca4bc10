package lab

import (
	"fmt"
	"strings"
)

// Front says where a casbah listens in front of the array, and with which files.
// An empty address leaves that listener out.
type Front struct {
	HTTP, HTTPS string // host and port of the VIPs
	POP3, IMAP4 string // of those for mail; of an array with Options.Mail
	SMTP        string
	EPM         string // of the endpoint mapper's; of an array with Options.RPC
	RPC         string // of RPC Client Access, where EPM is set
	AddressBook string // of the address book, likewise
	Admin       string // host and port of the page
	TokenFile   string // of the token that changes on the page need; "": it shows, and no more
	Control     string // host and port where Control is served
	Cert, Key   string // files of the certificate for HTTPS
	Placement   string // of the pool; "" for casbah's default
	StateDir    string // "" for casbah's default
	ProbeWords  string // file with ProbePassword: casbah asks the health pages, and logs in; "" for the probes that ship
	UpstreamCA  string // file that holds CertificatePEM: casbah re-encrypts to the CAS; "" for TLS offload
}

// profileNames are the profiles that the array serves.
const profileNames = `["owa", "ecp", "eas", "ews", "outlook_anywhere", "oab", "autodiscover", "powershell", "mapi"]`

// Config returns the text of a casbah.toml that puts casbah in front of the
// array.
func (a *Array) Config(f Front) string {
	var b strings.Builder
	b.WriteString("# casbah in front of a simulated CAS array.\npreset = \"exchange2010\"\n")
	if f.StateDir != "" {
		fmt.Fprintf(&b, "state_dir = %s\n", tomlString(f.StateDir))
	}
	if f.Admin != "" {
		fmt.Fprintf(&b, "\n[admin]\nlisten = %s\n", tomlString(f.Admin))
		if f.TokenFile != "" {
			fmt.Fprintf(&b, "token_file = %s\n", tomlString(f.TokenFile))
		}
	}
	a.writePool(&b, f)
	writeProbes(&b, f)
	a.writeMail(&b, "pop3", f.POP3, "")
	a.writeMail(&b, "imap4", f.IMAP4, "")
	a.writeMail(&b, "smtp", f.SMTP, "accept_snat = true\n")
	a.writeRPC(&b, f)
	if f.HTTP != "" {
		writeVIP(&b, "mail-http", "http", f.HTTP)
	}
	if f.HTTPS != "" {
		writeVIP(&b, "mail", "https", f.HTTPS)
		fmt.Fprintf(&b, "[[vip.certificate]]\ncert = %s\nkey  = %s\n", tomlString(f.Cert), tomlString(f.Key))
	}
	return b.String()
}

// writePool writes the servers and the pool that holds them all.
func (a *Array) writePool(b *strings.Builder, f Front) {
	var names []string
	for _, s := range a.cas {
		address := s.Addr()
		if f.UpstreamCA != "" {
			address = s.TLSAddr()
		}
		fmt.Fprintf(b, "\n[[server]]\nname    = %s\naddress = %s\nfqdn    = %s\n", tomlString(s.name), tomlString(address), tomlString(s.FQDN()))
		names = append(names, tomlString(s.name))
	}
	fmt.Fprintf(b, "\n[[pool]]\nname      = \"cas\"\nservers   = [%s]\nalgorithm = \"least_conn\"\n", strings.Join(names, ", "))
	if f.Placement != "" {
		fmt.Fprintf(b, "placement = %s\n", tomlString(f.Placement))
	}
	if f.UpstreamCA != "" {
		fmt.Fprintf(b, "upstream_tls = \"on\"\n[pool.tls]\nca          = %s\nserver_name = \"localhost\"\n", tomlString(f.UpstreamCA))
	}
}

// healthPages are the directories of the profiles that are asked by their health
// page.
var healthPages = []struct{ profile, directory string }{
	{"owa", "owa"},
	{"ecp", "ecp"},
	{"eas", "Microsoft-Server-ActiveSync"},
	{"ews", "EWS"},
	{"outlook_anywhere", "rpc"},
	{"oab", "OAB"},
	{"autodiscover", "Autodiscover"},
	{"powershell", "PowerShell"},
	{"mapi", "mapi"},
}

// writeProbes writes the probes of Exchange 2013 and later, and those that log in.
func writeProbes(b *strings.Builder, f Front) {
	if f.ProbeWords == "" {
		return
	}
	b.WriteString("\n# As of Exchange 2013; the sessions are those of 2010.\n")
	for _, p := range healthPages {
		fmt.Fprintf(b, "[profile.%s.probe]\npath = \"/%s/healthcheck.htm\"\n", p.profile, p.directory)
	}
	for _, name := range []string{"owa", "eas", "ews", "outlook_anywhere", "autodiscover", "pop3", "imap4"} {
		if name == "pop3" && f.POP3 == "" || name == "imap4" && f.IMAP4 == "" {
			continue
		}
		fmt.Fprintf(b, "[profile.%s.deep_probe]\nuser = '%s\\%s'\npassword_file = %s\ninterval = \"15s\"\n", name, Domain, ProbeUser, tomlString(f.ProbeWords))
	}
}

// writeMail writes a VIP for a protocol of mail and, as the simulated servers differ
// by their ports alone, servers and a pool of its own. More is for the VIP.
func (a *Array) writeMail(b *strings.Builder, protocol, listen, more string) {
	if listen == "" {
		return
	}
	var names []string
	for _, s := range a.cas {
		name := tomlString(s.name + "-" + protocol)
		fmt.Fprintf(b, "\n[[server]]\nname    = %s\naddress = %s\n", name, tomlString(s.MailAddr(protocol, false)))
		names = append(names, name)
	}
	fmt.Fprintf(b, "\n[[pool]]\nname      = %[1]q\nservers   = [%[2]s]\nalgorithm = \"least_conn\"\n"+
		"\n[[vip]]\nname     = %[1]q\ntype     = \"tcp\"\nlisten   = [%[3]s]\nprofiles = [%[1]q]\npool     = %[1]q\n%[4]s",
		protocol, strings.Join(names, ", "), tomlString(listen), more)
}

// writeRPC writes the VIPs of RPC over TCP, and servers and a pool of their own.
// The data ports of the simulated servers are dynamic: casbah learns them.
func (a *Array) writeRPC(b *strings.Builder, f Front) {
	if f.EPM == "" {
		return
	}
	var names []string
	for _, s := range a.cas {
		name := tomlString(s.name + "-rpc")
		fmt.Fprintf(b, "\n[[server]]\nname    = %s\naddress = %s\n", name, tomlString(s.MailAddr("rpc_endpoint_mapper", false)))
		names = append(names, name)
	}
	fmt.Fprintf(b, "\n[[pool]]\nname      = \"rpc\"\nservers   = [%s]\nalgorithm = \"least_conn\"\n", strings.Join(names, ", "))
	const vip = "\n[[vip]]\nname     = %[1]q\ntype     = \"tcp\"\nlisten   = [%[2]s]\nprofiles = [%[1]q]\npool     = \"rpc\"\n%[3]s"
	fmt.Fprintf(b, vip, "rpc_endpoint_mapper", tomlString(f.EPM), "mapper   = \"rewrite\"\n")
	fmt.Fprintf(b, vip, "rpc_client_access", tomlString(f.RPC), "")
	fmt.Fprintf(b, vip, "rpc_address_book", tomlString(f.AddressBook), "")
}

func writeVIP(b *strings.Builder, name, kind, listen string) {
	fmt.Fprintf(b, "\n[[vip]]\nname     = %s\ntype     = %s\nlisten   = [%s]\nprofiles = %s\npool     = \"cas\"\n",
		tomlString(name), tomlString(kind), tomlString(listen), profileNames)
}

// tomlString returns s as a basic string of TOML.
func tomlString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
