package pki

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"casbah/internal/pki/pkitest"
)

// fuzzWork keeps one input from taking the time of thousands.
const fuzzWork = 4096

// What is accepted is whole: a key, the certificate that was made for it, and those
// above it, all of which can be shown. What is not does not panic, and does not take
// long.
func FuzzPKCS12(f *testing.F) {
	ca := pkitest.NewAuthority(f, "Test CA")
	key := pkitest.ECDSA(f)
	leaf := ca.Issue(f, key, time.Hour, "mail.example.org").Leaf
	for _, form := range []*pkcs12.Encoder{pkcs12.LegacyRC2, pkcs12.LegacyDES, pkcs12.Modern2023, pkcs12.Passwordless} {
		phrase := words
		if form == pkcs12.Passwordless {
			phrase = ""
		}
		data, err := form.WithIterations(1).Encode(key, leaf, nil, phrase)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, phrase)
		f.Add(data[:len(data)/2], phrase)
		f.Add(data, "another")
	}
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, "")
	f.Add([]byte{0x30, 0x80, 0x30, 0x80}, "")
	f.Fuzz(func(t *testing.T, data []byte, phrase string) {
		cert, err := decodePKCS12(data, phrase, fuzzWork)
		if (cert == nil) != (err != nil) {
			t.Fatalf("decodePKCS12 = %v, %v; want one of them", cert, err)
		}
		if err != nil {
			return
		}
		key, ok := cert.PrivateKey.(crypto.Signer)
		if !ok || len(cert.Certificate) == 0 || !bytes.Equal(cert.Certificate[0], cert.Leaf.Raw) {
			t.Fatalf("a key of type %T, chain of %d; want both, and the leaf first", cert.PrivateKey, len(cert.Certificate))
		}
		public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(cert.Leaf.PublicKey) {
			t.Fatal("the key is that of another certificate")
		}
		for _, der := range cert.Certificate {
			if !bytes.Contains(data, der) && len(der) > len(data) {
				t.Fatal("a certificate that is longer than the file")
			}
		}
	})
}

// Walking a text of any kind ends, and a larger budget takes no less.
func FuzzAffordable(f *testing.F) {
	f.Add([]byte{0x30, 0x0a, 0x04, 0x02, 1, 2, 0x02, 0x04, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0x30, 0x80, 0x04, 0x00, 0x02, 0x01, 0x05})
	f.Fuzz(func(t *testing.T, data []byte) {
		if affordable(data, 1000) && !affordable(data, 2000) {
			t.Fatal("what 1000 pays for, 2000 does not")
		}
	})
}
