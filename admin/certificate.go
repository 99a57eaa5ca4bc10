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
	Level       string    `json:"level"`  // good, notice, warning, critical, expired, not_yet
	Key         string    `json:"key"`    // kind and bits
	Fingerprint string    `json:"sha256"` // in hexadecimal
	Issuer      string    `json:"issuer"`
	Refused     string    `json:"refused,omitempty"` // why what stands in the files now is not in force
}

func certificatesOf(all []node.CertificateStatus) []Certificate {
	out := make([]Certificate, 0, len(all))
	for i := range all {
		c := &all[i]
		out = append(out, Certificate{
			File: c.File, Names: list(c.Names), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Level: c.Level.String(),
			Key: c.Key, Fingerprint: c.Fingerprint, Issuer: c.Issuer, Refused: c.Refused,
		})
	}
	return out
}

func certificateViews(all []node.CertificateStatus) []page.Certificate {
	var out []page.Certificate
	for i := range all {
		c := &all[i]
		out = append(out, page.Certificate{
			File: c.File, Names: c.Names, From: c.NotBefore, Until: c.NotAfter, Level: c.Level.String(), Algorithm: c.Key, Refused: c.Refused,
		})
	}
	return out
}
