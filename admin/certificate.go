package admin

import (
	"time"

	"casbah/health/page"
	"casbah/node"
)

// Certificate is what a VIP shows to its clients, in Status.
type Certificate struct {
	File        string    `json:"file"`
	Names       []string  `json:"names"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Level       string    `json:"level"`  // good, notice, warning, critical, expired, not_yet, awaited
	Key         string    `json:"key"`    // kind and bits
	Fingerprint string    `json:"sha256"` // in hexadecimal
	Issuer      string    `json:"issuer"`
	Refused     string    `json:"refused,omitempty"` // why what stands in the files now is not in force
	OCSP        *Staple   `json:"ocsp,omitempty"`    // what its responder says; left out where none is asked
	ACME        *Issue    `json:"acme,omitempty"`    // how it comes; left out where it does not come by ACME
}

// Staple is what clients are told about a certificate by its authority.
type Staple struct {
	Responder string    `json:"responder,omitempty"`
	Required  bool      `json:"required"`          // clients refuse the certificate without
	Until     time.Time `json:"until,omitzero"`    // until when it holds; left out: there is none
	Refresh   time.Time `json:"refresh,omitzero"`  // when the responder is asked again
	Problem   string    `json:"problem,omitempty"` // why there is none, or no newer one
}

// Issue is how a certificate comes by ACME.
type Issue struct {
	Directory string    `json:"directory"`
	Challenge string    `json:"challenge"`
	Next      time.Time `json:"next,omitzero"`     // when the next one is asked for; left out: now
	Failures  int       `json:"failures"`          // in a row
	Problem   string    `json:"problem,omitempty"` // of the last attempt, in the server's words
}

func certificatesOf(all []node.CertificateStatus) []Certificate {
	out := make([]Certificate, 0, len(all))
	for i := range all {
		c := &all[i]
		out = append(out, Certificate{
			File: c.File, Names: list(c.Names), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Level: c.Level.String(),
			Key: c.Key, Fingerprint: c.Fingerprint, Issuer: c.Issuer, Refused: c.Refused,
			OCSP: stapleOf(c), ACME: issueOf(c),
		})
	}
	return out
}

func stapleOf(c *node.CertificateStatus) *Staple {
	s := c.Staple
	if s == nil {
		return nil
	}
	return &Staple{Responder: s.Responder, Required: s.Required, Until: s.Until, Refresh: s.Next, Problem: s.Error}
}

func issueOf(c *node.CertificateStatus) *Issue {
	a := c.ACME
	if a == nil {
		return nil
	}
	return &Issue{Directory: a.Directory, Challenge: a.Challenge, Next: a.Next, Failures: a.Failures, Problem: a.Error}
}

func certificateViews(all []node.CertificateStatus) []page.Certificate {
	var out []page.Certificate
	for i := range all {
		c := &all[i]
		v := page.Certificate{
			File: c.File, Names: c.Names, From: c.NotBefore, Until: c.NotAfter, Level: c.Level.String(), Algorithm: c.Key, Refused: c.Refused,
		}
		if s := c.Staple; s != nil {
			v.Unstapled, v.StapleProblem = s.Required && s.Until.IsZero(), s.Error
		}
		if a := c.ACME; a != nil {
			v.IssueProblem, v.IssueNext = a.Error, a.Next
		}
		out = append(out, v)
	}
	return out
}
