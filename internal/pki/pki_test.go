package pki

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"casbah/internal/pki/pkitest"
)

// words is a passphrase as people have it.
const words = "Pa ss wörd"

func TestLoadForms(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	ec, rs := pkitest.ECDSA(t), pkitest.RSA(t)
	sec1, err := x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(rs.(*rsa.PrivateKey))
	params := &pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8}}
	tests := []struct {
		name   string
		key    crypto.Signer
		blocks []*pem.Block
	}{
		{"pkcs8-ecdsa", ec, []*pem.Block{pkitest.KeyBlock(t, ec)}},
		{"pkcs8-rsa", rs, []*pem.Block{pkitest.KeyBlock(t, rs)}},
		{"sec1-behind-parameters", ec, []*pem.Block{params, {Type: "EC PRIVATE KEY", Bytes: sec1}}},
		{"pkcs1", rs, []*pem.Block{{Type: "RSA PRIVATE KEY", Bytes: pkcs1}}},
		{"encrypted-ecdsa", ec, []*pem.Block{encrypted(t, ec)}},
		{"encrypted-rsa", rs, []*pem.Block{encrypted(t, rs)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leaf := pkitest.CertBlock(ca.Issue(t, tt.key, time.Hour, "mail.example.org").Leaf)
			f := Files{Cert: pkitest.Write(t, "cert.pem", leaf, pkitest.CertBlock(ca.Cert)), Key: pkitest.Write(t, "key.pem", tt.blocks...)}
			if strings.HasPrefix(tt.name, "encrypted") {
				f.Passphrase = pkitest.WriteText(t, "words", words+"\r\n")
			}
			cert, err := Load(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != 2 || cert.Leaf.DNSNames[0] != "mail.example.org" {
				t.Errorf("chain of %d for %v; want 2 for mail.example.org", len(cert.Certificate), cert.Leaf.DNSNames)
			}
			f.Cert = pkitest.Write(t, "both.pem", append(tt.blocks, leaf)...)
			for _, key := range []string{f.Cert, ""} {
				f.Key = key
				if _, err := Load(f); err != nil {
					t.Errorf("both in one file, key %q: %v", key, err)
				}
			}
		})
	}
}

// encrypted is a key as openssl pkcs8 -topk8 writes it.
func encrypted(t *testing.T, key crypto.Signer) *pem.Block {
	t.Helper()
	der, err := pkcs8.MarshalPrivateKey(key, []byte(words), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}
}

// The forms of PKCS #12 that Windows has written, from the oldest, hold a chain in
// whatever order; what clients get begins with the certificate and leaves out the
// root.
func TestLoadPKCS12(t *testing.T) {
	root := pkitest.NewAuthority(t, "Root")
	middle := root.Intermediate(t, "Middle")
	stranger := pkitest.NewAuthority(t, "Stranger")
	ended := again(t, root, middle, time.Now().Add(-time.Minute))
	key := pkitest.RSA(t)
	leaf := middle.Issue(t, key, time.Hour, "mail.example.org").Leaf
	for _, tt := range []struct {
		name   string
		form   *pkcs12.Encoder
		first  *x509.Certificate
		others []*x509.Certificate
	}{
		{"2000", pkcs12.LegacyRC2, leaf, []*x509.Certificate{middle.Cert, root.Cert}},
		{"2008", pkcs12.LegacyDES, leaf, []*x509.Certificate{root.Cert, middle.Cert}},
		{"2019", pkcs12.Modern2023, leaf, []*x509.Certificate{stranger.Cert, root.Cert, middle.Cert}},
		{"leaf-last", pkcs12.Modern2023, root.Cert, []*x509.Certificate{middle.Cert, leaf}},
		{"certified-anew", pkcs12.Modern2023, leaf, []*x509.Certificate{ended, middle.Cert, root.Cert}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, err := tt.form.Encode(key, tt.first, tt.others, words)
			if err != nil {
				t.Fatal(err)
			}
			f := Files{Cert: pkitest.WriteText(t, "mail.pfx", string(data)), Passphrase: pkitest.WriteText(t, "words", words)}
			cert, err := Load(f)
			if err != nil {
				t.Fatal(err)
			}
			if !cert.Leaf.Equal(leaf) || len(cert.Certificate) != 2 || string(cert.Certificate[1]) != string(middle.Cert.Raw) {
				t.Errorf("leaf %v, chain of %d; want mail.example.org by Middle", cert.Leaf.Subject, len(cert.Certificate))
			}
			if _, ok := cert.PrivateKey.(crypto.Signer); !ok {
				t.Errorf("a key of type %T", cert.PrivateKey)
			}
		})
	}
	empty, err := pkcs12.Modern2023.Encode(key, leaf, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Files{Cert: pkitest.WriteText(t, "mail.pfx", string(empty))}); err != nil {
		t.Errorf("without a passphrase: %v", err)
	}
}

// again has an authority certify another one once more, up to a time.
func again(t *testing.T, by, sub *pkitest.Authority, until time.Time) *x509.Certificate {
	t.Helper()
	template := *sub.Cert
	template.NotAfter = until
	der, err := x509.CreateCertificate(rand.Reader, &template, by.Cert, sub.Key.Public(), by.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLoadMistakes(t *testing.T) {
	ca, key := pkitest.NewAuthority(t, "Test CA"), pkitest.ECDSA(t)
	leaf := ca.Issue(t, key, time.Hour, "mail.example.org").Leaf
	good := Files{Cert: pkitest.Write(t, "cert.pem", pkitest.CertBlock(leaf)), Key: pkitest.Write(t, "key.pem", pkitest.KeyBlock(t, key))}
	pfx, err := pkcs12.Modern2023.Encode(key, leaf, nil, words)
	if err != nil {
		t.Fatal(err)
	}
	alien, err := pkcs12.Modern2023.Encode(pkitest.ECDSA(t), leaf, nil, words)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := x509.MarshalPKCS8PrivateKey(x25519)
	if err != nil {
		t.Fatal(err)
	}
	legacy := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}}
	wrong := pkitest.WriteText(t, "wrong", "password")
	pfxFile := pkitest.WriteText(t, "mail.pfx", string(pfx))
	issuer := string(pem.EncodeToMemory(pkitest.CertBlock(ca.Cert)))
	chain := string(pem.EncodeToMemory(pkitest.CertBlock(leaf))) + "# text between\n" + issuer
	tests := []struct {
		name string
		f    Files
		want string // CERT, KEY and WORDS stand for the files
	}{
		{"nothing", Files{}, "certificate: want a PEM or PKCS #12 file with a certificate, got nothing"},
		{"no-files", Files{"/nonexistent/a", "/nonexistent/b", "/nonexistent/c"}, "certificate: want a file that can be read, got CERT: no such file or directory; " +
			"key: want a file that can be read, got KEY: no such file or directory; passphrase: want a file that can be read, got WORDS: no such file or directory"},
		{"directory", Files{Cert: t.TempDir(), Key: good.Key}, "certificate: want a file, got CERT, which is none"},
		{"large", Files{Cert: pkitest.WriteText(t, "large", strings.Repeat("x", 1<<20+1)), Key: good.Key}, "certificate: want a file of at most 1 MiB, got CERT of 1048577 octets"},
		{"empty", Files{Cert: pkitest.WriteText(t, "empty.pem", " \n"), Key: good.Key}, "certificate: want a PEM file with a certificate, got CERT, which holds none"},
		{"swapped", Files{Cert: good.Key, Key: good.Cert}, "certificate: want a PEM file with a certificate, got CERT, which holds none; key: want a PEM file with a private key, got KEY, which holds none"},
		{"no-key", Files{Cert: good.Cert}, "key: want a PEM file with a private key, got nothing"},
		{"half-written", Files{Cert: half(t, good.Cert), Key: good.Key}, "certificate: want a PEM file with a certificate, got CERT, which holds none"},
		{"damaged-certificate", Files{Cert: pkitest.Write(t, "bad.pem", pkitest.CertBlock(leaf), &pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), Key: good.Key}, "certificate: want a PEM file with a certificate, got CERT: certificate 2 of the file: malformed certificate"},
		{"damaged-key", Files{Cert: good.Cert, Key: pkitest.Write(t, "bad.key", &pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})}, "key: want a PEM file with a private key, got KEY: not a key in PKCS #1, SEC 1 or PKCS #8 form: "},
		{"no-passphrase", Files{Cert: good.Cert, Key: pkitest.Write(t, "enc.key", encrypted(t, key))}, "passphrase: want the file with the passphrase of KEY, which is encrypted, got nothing"},
		{"wrong-passphrase", Files{good.Cert, pkitest.Write(t, "enc.key", encrypted(t, key)), wrong}, "passphrase: want the passphrase of KEY, got WORDS with another one"},
		{"encrypted-the-old-way", Files{Cert: good.Cert, Key: pkitest.Write(t, "old.key", legacy)}, "key: want a private key in PKCS #8 form (openssl pkcs8 -topk8), got KEY, which is encrypted in the old form of OpenSSL"},
		{"cannot-sign", Files{Cert: good.Cert, Key: pkitest.Write(t, "x25519.key", &pem.Block{Type: "PRIVATE KEY", Bytes: exchange})}, "key: want a PEM file with a private key, got KEY: a *ecdh.PrivateKey cannot sign; want an RSA, ECDSA or Ed25519 key"},
		{"mismatch", Files{Cert: good.Cert, Key: pkitest.Write(t, "other.key", pkitest.KeyBlock(t, pkitest.ECDSA(t)))}, "key: want the private key of CERT, got KEY, which is that of another certificate"},
		{"wrong-order", Files{Cert: pkitest.Write(t, "reversed.pem", pkitest.CertBlock(ca.Cert), pkitest.CertBlock(leaf)), Key: good.Key}, "certificate: want the certificate of the key first, then those that issued it, got CERT with it as number 2"},
		{"half-a-chain", Files{Cert: pkitest.WriteText(t, "chain.pem", chain[:len(chain)-len(issuer)/2]), Key: good.Key}, "certificate: want a PEM file whose blocks are whole, got CERT, of which one is cut off or broken"},
		{"joined-lines", Files{Cert: pkitest.WriteText(t, "chain.pem", strings.TrimSuffix(issuer, "\n")+chain), Key: good.Key}, "certificate: want a PEM file whose blocks are whole, got CERT, of which one is cut off or broken"},
		{"pfx-no-passphrase", Files{Cert: pfxFile}, "passphrase: want the file with the passphrase of CERT, which is encrypted, got nothing"},
		{"pfx-wrong-passphrase", Files{Cert: pfxFile, Passphrase: wrong}, "passphrase: want the passphrase of CERT, got WORDS with another one"},
		{"pfx-and-key", Files{Cert: pfxFile, Key: good.Key}, "key: want this key left out (CERT is PKCS #12 and holds its key), got KEY"},
		{"pfx-mismatch", Files{Cert: pkitest.WriteText(t, "alien.pfx", string(alien)), Passphrase: pkitest.WriteText(t, "words", words)}, "certificate: want a PKCS #12 file with a certificate and its private key, got CERT: its key is that of none of its certificates"},
		{"pfx-half-written", Files{Cert: half(t, pfxFile), Passphrase: wrong}, "certificate: want a PKCS #12 file with a certificate and its private key, got CERT: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.f)
			want := strings.NewReplacer("CERT", tt.f.Cert, "KEY", tt.f.Key, "WORDS", tt.f.Passphrase).Replace(tt.want)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Load = %v; want %s", err, want)
			}
		})
	}
}

// half copies the first half of a file.
func half(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return pkitest.WriteText(t, "cut", string(data[:len(data)/2]))
}

// A key whose derivation takes billions of rounds is refused at once.
func TestLoadRefusesEndlessWork(t *testing.T) {
	key := pkitest.ECDSA(t)
	for _, tt := range []struct {
		name string
		opts *pkcs8.Opts
		ok   bool
	}{
		{"pbkdf2", &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1000, HMACHash: crypto.SHA256}}, true},
		{"pbkdf2-more", &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1001, HMACHash: crypto.SHA256}}, false},
		{"scrypt", &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 4, BlockSize: 7, ParallelizationParameter: 1}}, true},
		{"scrypt-more", &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 4, BlockSize: 8, ParallelizationParameter: 1}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := pkcs8.MarshalPrivateKey(key, []byte(words), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decryptKey(der, words, 1000); (err == nil) != tt.ok {
				t.Errorf("decryptKey = %v; want success %v", err, tt.ok)
			}
		})
	}
	leaf := pkitest.NewAuthority(t, "CA").Issue(t, key, time.Hour, "mail.example.org").Leaf
	for rounds, ok := range map[int]bool{1000: true, 1001: false} {
		data, err := pkcs12.Modern2023.WithIterations(rounds).Encode(key, leaf, nil, words)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodePKCS12(data, words, 1000); (err == nil) != ok {
			t.Errorf("%d rounds: %v; want success %v", rounds, err, ok)
		}
	}
}

// A pair is known by all that it consists of.
func TestDigest(t *testing.T) {
	seen := make(map[[32]byte]string)
	for _, c := range []struct{ cert, key, words string }{{"a", "b", "c"}, {"ab", "", "c"}, {"", "ab", "c"}, {"a", "bc", ""}, {"a", "b", "d"}} {
		contents := &Contents{cert: []byte(c.cert), key: []byte(c.key), passphrase: []byte(c.words)}
		if other, twice := seen[contents.Digest()]; twice {
			t.Errorf("%v has the digest of %s", c, other)
		}
		seen[contents.Digest()] = c.cert
	}
}

func TestRevocationLists(t *testing.T) {
	ca := pkitest.NewAuthority(t, "Test CA")
	leaf := ca.Issue(t, pkitest.ECDSA(t), time.Hour, "bob").Leaf
	block := ca.Revoke(t, time.Now().Add(time.Hour), leaf)
	for _, tt := range []struct {
		name, data string
		want       int
	}{
		{"pem", string(pem.EncodeToMemory(block)) + string(pem.EncodeToMemory(block)), 2},
		{"der", string(block.Bytes), 1},
		{"none", "hello", 0},
		{"other-block", string(pem.EncodeToMemory(pkitest.CertBlock(leaf))), 0},
		{"cut", string(block.Bytes[:20]), 0},
		{"two-ders", string(block.Bytes) + string(block.Bytes), 0},
		{"half-a-list", string(pem.EncodeToMemory(block)) + string(pem.EncodeToMemory(block)[:100]), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, p := RevocationLists("crl", []byte(tt.data))
			if len(got) != tt.want || (p == nil) != (tt.want > 0) {
				t.Errorf("%d lists, %v; want %d", len(got), p, tt.want)
			}
		})
	}
}
