package acmecert

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// accountFile holds the key of the account.
	accountFile = "account.key"

	// callTimeout bounds one request to the server.
	callTimeout = 30 * time.Second

	// mostAnswer is how much of an answer is read, in octets: more than any chain of
	// certificates has.
	mostAnswer = 2 << 20
)

// account is one at an ACME server. It is made once its key can be read, and signed
// up with the first order.
type account struct {
	conf   Config
	client *acme.Client
	known  bool // the server has said that it knows the account
}

// openAccount reads the account's key, or makes one.
func openAccount(conf *Config, version string) (*account, error) {
	key, err := accountKey(conf.Dir())
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if conf.CA != "" {
		roots, err := authorities(conf.CA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &account{conf: *conf, client: &acme.Client{
		Key:          key,
		DirectoryURL: conf.Directory,
		UserAgent:    "casbah/" + version,
		HTTPClient:   &http.Client{Transport: bounded{transport}, Timeout: callTimeout},
		RetryBackoff: backoff,
	}}, nil
}

// bounded reads the beginning of answers: the client of ACME reads whatever comes.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, mostAnswer), resp.Body}
	}
	return resp, err
}

// authorities reads those who may have issued the server's certificate.
func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // G304: the operator names the file, in the configuration
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}

// accountKey returns the key that stands in dir, which is made where it lacks.
func accountKey(dir string) (crypto.Signer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, accountFile)
	text, err := os.ReadFile(path) //nolint:gosec // G304: the state directory is configuration
	if errors.Is(err, fs.ErrNotExist) {
		return newAccountKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: want the PEM of a key; remove the file to have a new account made", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: want an ECDSA key; remove the file to have a new account made", path) // the cause may quote it
	}
	return key, nil
}

func newAccountKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, replace(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// signUp makes sure that the server knows the account: one of before, or a new one
// that agrees to the terms, as the configuration says.
func (a *account) signUp(ctx context.Context) error {
	if a.known {
		return nil
	}
	var contact []string
	if a.conf.Email != "" {
		contact = []string{"mailto:" + a.conf.Email}
	}
	old, err := a.client.GetReg(ctx, "")
	switch {
	case errors.Is(err, acme.ErrNoAccount):
		err = a.register(ctx, contact)
	case err == nil && old.Status != acme.StatusValid:
		err = fmt.Errorf("the server says that it is %s; remove %s to have a new one made", old.Status, filepath.Join(a.conf.Dir(), accountFile))
	case err == nil && contact != nil && !slices.Equal(old.Contact, contact):
		_, err = a.client.UpdateReg(ctx, &acme.Account{Contact: contact})
	}
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	a.known = true
	return nil
}

func (a *account) register(ctx context.Context, contact []string) error {
	wanted := &acme.Account{Contact: contact}
	if a.conf.BindingID != "" {
		key, err := BindingKey(a.conf.Binding)
		if err != nil {
			return err
		}
		wanted.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: a.conf.BindingID, Key: key}
	}
	_, err := a.client.Register(ctx, wanted, acme.AcceptTOS)
	if errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil
	}
	return err
}

// BindingKey reads the key of an external account binding, which stands in a file
// in base64 of either alphabet. The error does not quote it.
func BindingKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // G304: the operator names the file, in the configuration
	if err != nil {
		return nil, err
	}
	plain := strings.TrimRight(strings.TrimSpace(string(text)), "=")
	for _, form := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if key, err := form.DecodeString(plain); err == nil && len(key) >= 16 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s: want a key of at least 16 octets in base64", file)
}

// replace puts a file in the place of the one at path, readable by its owner alone.
// A crash or an error leaves the one that was there.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close()) // before the name: else a crash may leave an empty file under it
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what matters is err
	}
	return err
}
