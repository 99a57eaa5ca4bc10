package profiles

import (
	"crypto/x509"
	"errors"
	"time"

	"casbah/internal/pki"
)

// renewal is how long before its end a certificate is worth a note.
const renewal = 30 * 24 * time.Hour

// pair reads a certificate with its key, and returns the certificate. Parts are
// where its files are named.
func (k *checker) pair(parts [3]place, f pki.Files) *x509.Certificate {
	cert, err := pki.Load(f)
	if problems, ok := errors.AsType[pki.Problems](err); ok {
		for _, p := range problems {
			got := any(words(p.Got))
			if p.Got == string(nothing) {
				got = nothing
			}
			k.mistake(parts[p.Part], p.Want, got)
		}
		return nil
	}
	for i, file := range []string{f.Cert, f.Key, f.Passphrase} {
		// What is beside a key may be seen by all, but not the key itself.
		if file != "" && (pki.Part(i) != pki.Certificate || f.Key == "" || f.Key == f.Cert) {
			k.private(parts[i], file)
		}
	}
	k.judge(parts[pki.Certificate], cert.Leaf)
	return cert.Leaf
}

// judge notes a certificate that is not valid, or not for long.
func (k *checker) judge(p place, leaf *x509.Certificate) {
	switch {
	case k.now.After(leaf.NotAfter):
		k.note(p, "expired on %s", leaf.NotAfter.Format(time.DateOnly))
	case k.now.Before(leaf.NotBefore):
		k.note(p, "not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	case k.now.Add(renewal).After(leaf.NotAfter):
		k.note(p, "expires on %s", leaf.NotAfter.Format(time.DateOnly))
	}
}

// authorities checks a file of certificates that may issue others, and returns them.
func (k *checker) authorities(p place, file string) []*x509.Certificate {
	data, ok := k.file(p, file)
	if !ok {
		return nil
	}
	all, problem := pki.Certificates(file, data)
	if problem != nil {
		k.mistake(p, problem.Want, words(problem.Got))
	}
	return all
}

// revocations checks a file of revocation lists of the authorities.
func (k *checker) revocations(p place, file string, authorities []*x509.Certificate) {
	data, ok := k.file(p, file)
	if !ok {
		return
	}
	lists, problem := pki.RevocationLists(file, data)
	if problem != nil {
		k.mistake(p, problem.Want, words(problem.Got))
	}
	for _, list := range lists {
		if len(authorities) > 0 && !pki.Signed(list, authorities) {
			k.mistake(p, "lists that those in client_ca have signed", words(file+" with that of "+list.Issuer.String()))
		}
		if end := list.NextUpdate; !end.IsZero() && k.now.After(end) {
			k.note(p, "the list of %s should have had a successor on %s", list.Issuer, end.Format(time.DateOnly))
		}
	}
}
