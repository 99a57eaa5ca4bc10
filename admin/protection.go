package admin

import (
	"time"

	"casbah/node"
)

// Protection says whether logins that are bound to TLS (Extended Protection) work
// through casbah, in Status.
type Protection struct {
	Checked time.Time   `json:"checked,omitzero"` // when the servers were asked for their certificates
	Advice  []Advice    `json:"advice"`           // the gravest of each VIP first
	Servers []LeafShown `json:"servers"`          // of pools that are reached by TLS
}

// Advice is what an administrator should know or do, in Status.
type Advice struct {
	Weight   string   `json:"weight"` // error, warning, notice
	VIP      string   `json:"vip"`
	Pool     string   `json:"pool"`
	Profiles []string `json:"profiles"`
	Server   string   `json:"server,omitempty"`        // missing: all of the pool
	Shown    string   `json:"shown_sha256,omitempty"`  // of the certificate that clients see
	Served   string   `json:"served_sha256,omitempty"` // of the one that the server shows
	Text     string   `json:"text"`
}

// LeafShown is the certificate that a server shows to casbah, in Status.
type LeafShown struct {
	Pool        string `json:"pool"`
	Server      string `json:"server"`
	Fingerprint string `json:"sha256,omitempty"`
	Error       string `json:"error,omitempty"` // why it is not known
}

func protectionOf(p *node.Protection) Protection {
	out := Protection{Checked: p.Checked, Advice: make([]Advice, 0, len(p.Advice)), Servers: make([]LeafShown, 0, len(p.Servers))}
	for i := range p.Advice {
		a := &p.Advice[i]
		out.Advice = append(out.Advice, Advice{
			Weight: a.Weight.String(), VIP: a.VIP, Pool: a.Pool, Profiles: list(a.Profiles), Server: a.Server,
			Shown: a.Shown, Served: a.Served, Text: a.Text,
		})
	}
	for _, s := range p.Servers {
		out.Servers = append(out.Servers, LeafShown(s))
	}
	return out
}
